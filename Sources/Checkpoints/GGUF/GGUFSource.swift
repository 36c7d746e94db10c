public import NestlingBasics

/// A GGUF file as the checkpoint of transformers that it was made of: `config.json`, the tokenizer's files and the weights, by
/// the names that transformers gives them.
///
/// So families, `nestling check`, saving and converting need to know nothing of GGUF; what is saved is an ordinary checkpoint.
/// Weights stay where they lie in the file, and in their blocks, until they are packed.
public struct GGUFSource: FileSource {
    /// What messages call the source: the file's path.
    public let path: String
    /// The file.
    public let contents: GGUF

    private let config: JSONObject
    private let weights: WeightFile
    private let tokenizer: GGUFTokenizer
    private let pooling: [String: JSON]

    /// Reads the header of `file`; `path` is what messages call it.
    /// - Throws: as ``GGUF/init(file:)``; `.unsupported` for models that are not known, `.corrupt` if keys are missing.
    public init(file: FileBytes, path: String) throws(Failure) {
        self.path = path
        contents = try GGUF(file: file)
        let model = try GGUFModel(contents)
        tokenizer = GGUFTokenizer(contents, architecture: model.architecture)
        config = try model.config(endTokens: tokenizer.endTokens())
        pooling = try model.poolingFiles()
        weights = WeightFile(file: file, tensors: try model.tensors())
    }

    /// See ``FileSource/file(_:)``. Of the tokenizer's files there are those that its kind has.
    public func file(_ name: String) throws(Failure) -> FileBytes? {
        let bytes: [UInt8]?
        switch name {
        case "config.json": bytes = Array(JSON.object(config).serialized().utf8)
        case "tokenizer.json": bytes = try tokenizer.json()
        case "tokenizer.model": bytes = try tokenizer.sentencePiece()
        case "tokenizer_config.json": bytes = try tokenizer.settings().map { Array($0.serialized().utf8) }
        default: bytes = pooling[name].map { Array($0.serialized().utf8) }
        }
        guard let bytes else { return nil }
        return try FileBytes(name: "\(contents.file.name): \(name)", count: bytes.count) { $0.copyBytes(from: bytes) }
    }

    /// See ``FileSource/contains(_:)``.
    public func contains(_ name: String) -> Bool { (try? file(name)) != nil }

    /// See ``FileSource/weights(in:)``.
    public func weights(in folder: String) throws(Failure) -> WeightFile? { folder.isEmpty ? weights : nil }
}
