public import Basics
import Blocks
import Checkpoints
public import Models

/// Saves a network as an ordinary checkpoint directory, weights in the types in which they are stored.
///
/// One FFN width for all layers and fewer layers are expressed by `config.json` alone: that is checked by reading the new
/// config as a family would and comparing the result with the submodel. Everything else is written to `nestling.json`,
/// with what transformers could not express by name.
public struct SubmodelWriter {
    /// The files of a checkpoint, other than config and weights, that are copied as they are.
    private static let companions = [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
        "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model",
    ]
    private static let sentenceFiles = ["modules.json", "config_sentence_transformers.json"]
    private static let settingsFiles = ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"]
        .map {
            "sentence_\($0)_config.json"
        }

    private let network: Network
    private let extraction: Extraction
    private let folder: String
    private let config: JSONObject
    private let settings: NestlingSettings

    /// Plans the checkpoint of `network`.
    public init(_ network: Network) throws(Failure) {
        self.network = network
        extraction = try Extraction(network)
        folder = network.weights.checkpoint.folder
        let kept = network.kept
        let widths = Set(kept.widths)
        // Where no family reads the config, `nestling.json` says everything.
        config =
            (try? Families.config(
                network.weights.config, name: "config.json", width: widths.count == 1 ? widths.first : nil,
                layers: kept.layers)) ?? network.weights.config
        settings = try SubmodelWriter.settings(network, extraction, config)
    }

    /// What transformers cannot express of the submodel; empty: nothing.
    public var notInTransformers: [String] { settings.notInTransformers }

    private static func settings(
        _ network: Network, _ extraction: Extraction, _ config: JSONObject
    ) throws(Failure) -> NestlingSettings {
        var settings = NestlingSettings()
        let (kept, whole) = (network.kept, network.weights.architecture)
        if kept.outputDimensions < network.weights.pipeline.dimensions {
            settings.outputDimensions = kept.outputDimensions
            settings.notInTransformers.append("sentence vectors of \(kept.outputDimensions) dimensions")
        }
        guard !expresses(config, extraction) else { return settings }
        settings.architecture = extraction.architecture
        let before = settings.notInTransformers.count
        if Set(kept.widths).count > 1 {
            settings.notInTransformers.append("FFN widths that differ by layer: \(kept.widths)")
        }
        if extraction.architecture.blocks.contains(where: { $0.hasFewerHeads(than: whole.hiddenSize) }) {
            settings.notInTransformers.append("fewer attention heads: \(kept.heads)")
        }
        var layersOnly = KeptParts(all: network.weights.blocks, outputDimensions: kept.outputDimensions)
        layersOnly.keep(layers: kept.layers)
        let shorter = try? Families.config(network.weights.config, name: "config.json", width: nil, layers: kept.layers)
        if kept.layers.count < whole.blocks.count,
            try !expresses(shorter, Extraction(Network(network.weights, keeping: layersOnly)))
        {
            settings.notInTransformers.append("layers \(kept.layers) of \(whole.blocks.count)")
        }
        if settings.notInTransformers.count == before {
            settings.notInTransformers.append("an architecture that config.json does not describe")
        }
        return settings
    }

    /// Whether a family would read from `config` the network that `extraction` describes.
    private static func expresses(_ config: JSONObject?, _ extraction: Extraction) -> Bool {
        guard let config else { return false }
        let names = TensorNames(extraction.tensors.map(\.name))
        return (try? Families.architecture(JSONFields(config, name: "config.json"), names)) == extraction.architecture
    }

    /// Writes the checkpoint to the directory `path`.
    public func write(to path: String, overwrites: Bool, progress: Progress?) throws(Failure) {
        let directory = try StagedDirectory(path: path, overwrites: overwrites)
        try writeWeights(directory, progress)
        try write(.object(config), to: name("config.json"), directory)
        if !settings.isEmpty { try write(settings.json, to: NestlingSettings.fileName, directory) }
        for file in Self.companions + Self.settingsFiles { try copy(name(file), directory) }
        for file in Self.sentenceFiles { try copy(file, directory) }
        if let modules = try network.weights.checkpoint.source.json("modules.json")?.array {
            for module in modules {
                guard let folder = module["path"]?.string, !folder.isEmpty, folder != self.folder else { continue }
                for file in ["config.json", "model.safetensors"] { try copy("\(folder)/\(file)", directory) }
            }
        }
        try directory.commit(removing: [NestlingSettings.fileName, name("model.safetensors.index.json")])
    }

    private func name(_ file: String) -> String { folder.isEmpty ? file : "\(folder)/\(file)" }

    private func write(_ json: JSON, to name: String, _ directory: StagedDirectory) throws(Failure) {
        let bytes = Array((json.serialized(pretty: true) + "\n").utf8)
        var failure: Failure?
        bytes.withUnsafeBytes { bytes in
            do throws(Failure) { try directory.write(name, bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private func copy(_ name: String, _ directory: StagedDirectory) throws(Failure) {
        guard let file = try network.weights.checkpoint.source.file(name) else { return }
        try directory.write(name, file.bytes)
        withExtendedLifetime(file) {}
    }

    private func writeWeights(_ directory: StagedDirectory, _ progress: Progress?) throws(Failure) {
        let writer = try SafetensorsWriter(
            path: try directory.stage(name("model.safetensors")),
            tensors: extraction.tensors.map { .init(name: $0.name, type: $0.source.type, shape: $0.shape) },
            metadata: [("format", "pt")])
        let total = writer.remainingCount
        for tensor in extraction.tensors {
            try progress?("save", total - writer.remainingCount, total)
            let source = tensor.source
            guard let pieces = tensor.pieces else {
                try writer.write(source.bytes)
                source.discardPages()
                continue
            }
            guard let element = source.type.byteCount(of: 1) else {
                throw Failure(.internal, "tensor \(source.name) of type \(source.type.rawValue) cannot be cut")
            }
            let rowBytes = (source.shape.count == 2 ? source.shape[1] : 1) * element
            for piece in pieces {
                for row in piece.firstRow..<piece.firstRow + piece.rows {
                    let start = row * rowBytes
                    try writer.write(
                        UnsafeRawBufferPointer(rebasing: source.bytes[start..<start + piece.columns * element]))
                }
            }
            source.discardPages()
        }
        try writer.finish()
        try progress?("save", total, total)
    }
}

extension Architecture.Block {
    /// Whether the heads of an attention are less wide, together, than the hidden state, as they are in every family.
    fileprivate func hasFewerHeads(than hiddenSize: Int) -> Bool {
        (node["sublayers"]?.array ?? []).contains { sublayer in
            guard let heads = sublayer["mixer"]?["heads"]?.int, let size = sublayer["mixer"]?["head_size"]?.int else {
                return false
            }
            return heads * size < hiddenSize
        }
    }
}
