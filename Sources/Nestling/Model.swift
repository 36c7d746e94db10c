public import NestlingBasics
public import NestlingCheckpoints
public import NestlingElastic
public import NestlingModels
public import NestlingTensors
public import NestlingTokenizers

/// A model: architecture and weights, its tokenizer, and how it makes sentence vectors. Immutable; any number of threads may
/// use one at once, each through its own ``Session``.
///
///     let model = try Model(path: "all-MiniLM-L6-v2")
///     let vectors = try Session(model).encode(["A sentence.", "Another one."])    // [[Float]], 384 each
///     let small = try model.submodel(ffn: .ratio(0.5))                           // shares the weights
public final class Model: Sendable {
    /// The network: what the engine runs.
    public let network: Network
    /// Text to token ids, if the checkpoint has a tokenizer.
    public let tokenizer: Tokenizer?
    /// Why there is no tokenizer, where a GGUF file has one that is not known.
    private let tokenizerFailure: Failure?
    /// What the checkpoint says about texts: prompts, the longest text, letter case.
    public let sentence: SentenceTransformersSettings
    /// What the checkpoint says about images.
    let imageSettings: ImageSettings

    /// Opens a checkpoint directory as transformers or sentence-transformers writes it, or a GGUF file.
    ///
    /// - Parameters:
    ///   - path: the directory, or the file.
    ///   - dtype: in what to keep the weights; `nil`: as the checkpoint has them packed, or else float32.
    ///   - tower: which one of a checkpoint of texts and images (CLIP, SigLIP); `nil` for all others.
    ///   - mapsWeights: whether to map the files (default) or to read them into memory.
    ///   - progress: hears how far loading is; throws to stop it.
    public convenience init(
        path: String, dtype: Codec? = nil, tower: Tower? = nil, mapsWeights: Bool = true,
        progress: ProgressHandler? = nil
    ) throws(Failure) {
        try self.init(
            source: CheckpointPath.open(path, map: mapsWeights), dtype: dtype, tower: tower, progress: progress)
    }

    /// Opens a checkpoint whose files lie in memory, by name. The bytes must stay as they are while the model or any
    /// submodel of it is alive.
    public convenience init(
        files: [(name: String, bytes: UnsafeRawBufferPointer)], dtype: Codec? = nil, tower: Tower? = nil,
        progress: ProgressHandler? = nil
    ) throws(Failure) {
        try self.init(
            source: CheckpointPath.open(MemorySource(files: files)), dtype: dtype, tower: tower, progress: progress)
    }

    /// Opens the checkpoint of `source`.
    public init(
        source: any FileSource, dtype: Codec? = nil, tower: Tower? = nil, progress: ProgressHandler? = nil
    ) throws(Failure) {
        let description = try CheckpointDescription(source, tower: tower)
        // The tokenizer first: it is quick to refuse.
        var unknown: Failure?
        do throws(Failure) {
            tokenizer = try Tokenizer(in: source, folder: description.sentence.transformerFolder)
        } catch {
            // The network takes token ids as well.
            guard source is GGUFSource, error.kind == .unsupported else { throw error }
            (tokenizer, unknown) = (nil, error)
        }
        tokenizerFailure = unknown
        network = try Network(loading: description, as: dtype, progress: progress)
        sentence = description.sentence
        imageSettings = ImageSettings(source, modelType: description.config["model_type"]?.string)
    }

    private init(_ network: Network, like model: Model) {
        self.network = network
        tokenizer = model.tokenizer
        tokenizerFailure = model.tokenizerFailure
        sentence = model.sentence
        imageSettings = model.imageSettings
    }

    /// The submodel that keeps what `spec` says. Copies no weights and takes microseconds; this model may be a submodel.
    public func submodel(_ spec: SubmodelSpec) throws(Failure) -> Model {
        Model(try network.submodel(spec), like: self)
    }

    /// The submodel that keeps the leading part of each layer's FFN and heads, some layers and output dimensions.
    public func submodel(
        ffn: SubmodelSpec.Extent = .all, heads: SubmodelSpec.Extent = .all, layers: [Int]? = nil,
        outputDimensions: Int? = nil
    ) throws(Failure) -> Model {
        var spec = SubmodelSpec()
        spec.widths = ffn
        spec.heads = heads
        spec.layers = layers
        spec.outputDimensions = outputDimensions
        return try submodel(spec)
    }

    /// The tokenizer, for what cannot be done without.
    /// - Throws: `.notFound` if the checkpoint has none, `.unsupported` if it has one that is not known.
    public func requireTokenizer() throws(Failure) -> Tokenizer {
        if let tokenizer { return tokenizer }
        if let failure = tokenizerFailure { throw Failure(failure.kind, "\(failure.message); pass token ids") }
        throw Failure(.notFound, "the checkpoint has no tokenizer (none of \(Tokenizer.fileNames)); pass token ids")
    }

    /// In what the weights are kept.
    public var dtype: Codec { network.weights.precision.codec }

    /// Saves the model as a checkpoint directory: an ordinary one (see ``SubmodelWriter``), or one whose weights lie packed in
    /// it as they are used in memory (see ``PackedWriter``).
    ///
    /// - Parameter packed: `nil`: as the model was opened.
    public func save(
        to path: String, packed: Bool? = nil, overwrites: Bool = false, progress: ProgressHandler? = nil
    ) throws(Failure) {
        if packed ?? network.weights.isPacked {
            return try PackedWriter(network, as: dtype).write(to: path, overwrites: overwrites, progress: progress)
        }
        try SubmodelWriter(network).write(to: path, overwrites: overwrites, progress: progress)
    }
}
