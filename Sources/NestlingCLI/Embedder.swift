import Nestling

/// Turns chunks of texts, or of image files, into vectors, and says of which of them a failure is.
struct Embedder {
    /// Texts of a chunk: enough to keep all processors busy, few enough to take little memory.
    static let chunkTexts = 256
    /// Bytes of text of a chunk, roughly.
    static let chunkBytes = 1 << 20

    private let session: Session
    private let prompt: Prompt
    private let options: VectorOptions
    private let reducer: (any Reducer)?
    /// `nil`: the model takes no images.
    private let preparation: ImagePreparation?
    /// Images are run together until they have so many floats: 128 megabytes.
    private static let chunkFloats = 1 << 25

    /// Texts, or paths of images, that ``vectors(_:)`` is best given at once.
    var chunkCount: Int { preparation == nil ? Self.chunkTexts : 16 }

    /// Elements of a vector.
    let dimensions: Int

    /// Embeds with `model`.
    init(_ model: Model, prompt: Prompt, options: VectorOptions, reducer: (any Reducer)?) throws(Failure) {
        session = Session(model)
        self.prompt = prompt
        self.options = options
        self.reducer = reducer
        preparation = model.image == nil ? nil : try model.imagePreparation()
        dimensions = try ResultShape.vectorElements(1, options, model.network)
    }

    /// A vector for each text; of a model that takes images, for each file whose path the text is.
    func vectors(_ texts: [InputText]) throws(Failure) -> [[Float]] {
        if let preparation { return try vectors(ofImages: texts, preparation) }
        var options = options
        let batch: TokenBatch
        (batch, options.skippedTokens) = try tokenize(texts)
        return try vectors(batch, places: texts.map(\.place), options)
    }

    /// The token ids of each text, and how many at the beginning are of a prompt that pooling leaves out.
    func tokenize(_ texts: [InputText]) throws(Failure) -> (batch: TokenBatch, skippedTokens: Int) {
        do throws(Failure) {
            return try session.model.tokenize(texts.map(\.bytes), prompt: prompt)
        } catch {
            throw culprit(of: error, texts)
        }
    }

    /// A vector for each sequence of token ids.
    func vectors(_ batch: TokenBatch, places: [String]) throws(Failure) -> [[Float]] {
        try vectors(batch, places: places, options)
    }

    private func vectors(_ batch: TokenBatch, places: [String], _ options: VectorOptions) throws(Failure) -> [[Float]] {
        try Embedder.refuseEmpty(batch, places: places)
        return try session.encode(
            batch, options: options, reduction: reducer, progress: ProgressBar.listening(stage:done:total:))
    }

    private func vectors(
        ofImages paths: [InputText], _ preparation: ImagePreparation
    ) throws(Failure) -> [[Float]] {
        var vectors: [[Float]] = []
        var images: [PreparedImage] = []
        var floats = 0
        for (index, path) in paths.enumerated() {
            try Interruption.check()
            let name = String(decoding: path.bytes, as: UTF8.self)
            images.append(try Picture(path: name).prepared(preparation, name: name))
            floats += images[images.count - 1].count
            guard floats >= Self.chunkFloats || index == paths.count - 1 else { continue }
            vectors += try session.encode(
                images, options: options, reduction: reducer, progress: ProgressBar.listening(stage:done:total:))
            (images, floats) = ([], 0)
        }
        return vectors
    }

    /// What tables call a text, the beginning of it, or an image: the name of its file.
    func label(_ input: InputText) -> String {
        let limit = 48
        let text = String(decoding: input.bytes, as: UTF8.self)
        if preparation != nil { return text.lastPathComponent.quoted }
        return (text.count > limit ? String(text.prefix(limit - 3)) + "..." : text).quoted
    }

    /// Throws if a sequence has no tokens, naming it.
    static func refuseEmpty(_ batch: TokenBatch, places: [String]) throws(Failure) {
        for sequence in 0..<batch.count where batch.offsets[sequence] == batch.offsets[sequence + 1] {
            throw Failure(.invalidArgument, "\(places[sequence]): has no tokens")
        }
    }

    /// The failure, naming the text by its place in the input. The library counts texts from the chunk's beginning.
    private func culprit(of failure: Failure, _ texts: [InputText]) -> Failure {
        for text in texts {
            do throws(Failure) {
                _ = try session.model.tokenize([text.bytes], prompt: prompt)
            } catch {
                let counted = "text 0: "
                guard error.message.hasPrefix(counted) else { return failure }
                return Failure(error.kind, "\(text.place): \(error.message.dropFirst(counted.count))")
            }
        }
        return failure
    }
}
