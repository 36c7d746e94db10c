public import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
public import NestlingModels

/// Saves a network as an ordinary checkpoint directory, weights in the types in which they are stored.
///
/// One FFN width for all layers and fewer layers are expressed by `config.json` alone: that is checked by reading the new
/// config as a family would and comparing the result with the submodel. Everything else is written to `nestling.json`,
/// with what transformers could not express by name.
public struct SubmodelWriter {
    private let network: Network
    private let extraction: Extraction
    private let config: JSONObject
    private let settings: NestlingSettings

    /// Plans the checkpoint of `network`.
    /// - Throws: `unsupported` if the weights are packed; see ``PackedWriter``.
    public init(_ network: Network) throws(Failure) {
        guard !network.weights.isPacked else {
            throw Failure(.unsupported, "the weights lie packed in the checkpoint; it can only be saved packed again")
        }
        self.network = network
        extraction = try Extraction(network)
        let kept = network.kept
        // Where no family reads the config, `nestling.json` says everything.
        config =
            (try? Families.config(
                network.weights.config, name: "config.json", widths: kept.widths, layers: kept.layers,
                of: network.weights.architecture)) ?? network.weights.config
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
        let widths = described(config, extraction)?.blocks.map(\.width) ?? []
        if widths.count == kept.widths.count ? widths != kept.widths : Set(kept.widths).count > 1 {
            settings.notInTransformers.append(
                Set(kept.widths).count > 1
                    ? "FFN widths that differ by layer: \(kept.widths)" : "an FFN width of \(kept.widths[0])")
        }
        if zip(kept.layers, kept.heads).contains(where: { $1 < network.weights.blocks[$0].heads }) {
            settings.notInTransformers.append("fewer attention heads: \(kept.heads)")
        }
        var layersOnly = KeptParts(all: network.weights.blocks, outputDimensions: kept.outputDimensions)
        layersOnly.keep(layers: kept.layers)
        let shorter = try? Families.config(
            network.weights.config, name: "config.json", widths: layersOnly.widths, layers: kept.layers, of: whole)
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
        guard let config, let described = described(config, extraction) else { return false }
        return described == extraction.architecture
    }

    /// What a family reads from `config`, with the tensors of `extraction`.
    private static func described(_ config: JSONObject, _ extraction: Extraction) -> Architecture? {
        let names = TensorNames(extraction.tensors.map(\.name))
        let fields = JSONFields(config, name: "config.json")
        return try? Families.architecture(fields, names, tower: extraction.architecture.tower)
    }

    /// Writes the checkpoint to the directory `path`.
    public func write(to path: String, overwrites: Bool, progress: ProgressHandler?) throws(Failure) {
        let directory = try StagedDirectory(path: path, overwrites: overwrites)
        let files = CheckpointFiles(network.weights.checkpoint, to: directory)
        try writeWeights(to: directory.stage(files.weights), progress)
        try files.finish(config: config, settings: settings)
    }

    private func writeWeights(to path: String, _ progress: ProgressHandler?) throws(Failure) {
        let writer = try SafetensorsWriter(
            path: path,
            tensors: extraction.tensors.map { .init(name: $0.name, type: $0.source.plainType, shape: $0.shape) },
            metadata: [("format", "pt")])
        let total = writer.remainingCount
        for tensor in extraction.tensors {
            try progress?("save", total - writer.remainingCount, total)
            let source = try tensor.source.plain()
            defer { tensor.source.discardPages() }
            guard let piece = tensor.piece else {
                try writer.write(source.bytes)
                continue
            }
            try piece.write(source, to: writer)
        }
        try writer.finish()
        try progress?("save", total, total)
    }
}

extension Architecture.Block {
    /// FFN width; 0 without one.
    fileprivate var width: Int {
        (node["sublayers"]?.array ?? []).lazy.compactMap { $0["channel"]?["width"]?.int }.first { $0 > 0 } ?? 0
    }
}
