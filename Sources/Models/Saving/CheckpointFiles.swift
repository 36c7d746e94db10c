public import NestlingBasics
public import NestlingCheckpoints

/// Writes the files of a checkpoint directory beside the weights: what is copied from another one, and what says how to read
/// the new one.
public struct CheckpointFiles {
    /// The files beside config and weights, that are copied as they are.
    private static let companions = [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
        "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model",
        "preprocessor_config.json", "processor_config.json", "generation_config.json", "chat_template.jinja",
        "additional_chat_templates/rag.jinja", "additional_chat_templates/tool_use.jinja",
    ]
    private static let sentenceFiles = ["modules.json", "config_sentence_transformers.json"]
    private static let settingsFiles = ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"]
        .map { "sentence_\($0)_config.json" }

    private let source: any FileSource
    private let folder: String
    private let directory: StagedDirectory

    /// Copies from the checkpoint `checkpoint` to `directory`.
    public init(_ checkpoint: Checkpoint, to directory: StagedDirectory) {
        source = checkpoint.source
        folder = checkpoint.folder
        self.directory = directory
    }

    /// Where the weights go.
    public var weights: String { name("model.safetensors") }

    /// Writes `config` and `settings`, copies everything else but weights, and gives the directory its name.
    public func finish(config: JSONObject, settings: NestlingSettings) throws(Failure) {
        try write(.object(config), to: name("config.json"))
        if !settings.isEmpty { try write(settings.json, to: NestlingSettings.fileName) }
        for file in Self.companions + Self.settingsFiles { try copy(name(file)) }
        for file in Self.sentenceFiles { try copy(file) }
        for module in try source.json("modules.json")?.array ?? [] {
            guard let folder = module["path"]?.string, !folder.isEmpty, folder != self.folder else { continue }
            for file in ["config.json", "model.safetensors"] { try copy("\(folder)/\(file)") }
        }
        try directory.commit(removing: [NestlingSettings.fileName, name("model.safetensors.index.json")])
    }

    private func name(_ file: String) -> String { folder.isEmpty ? file : "\(folder)/\(file)" }

    private func write(_ json: JSON, to name: String) throws(Failure) {
        let bytes = Array((json.serialized(pretty: true) + "\n").utf8)
        var failure: Failure?
        bytes.withUnsafeBytes { bytes in
            do throws(Failure) { try directory.write(name, bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private func copy(_ name: String) throws(Failure) {
        guard let file = try source.file(name) else { return }
        try directory.write(name, file.bytes)
        withExtendedLifetime(file) {}
    }
}
