import Nestling

/// Turns chunks of texts into vectors, and says of which text a failure is.
struct Embedder {
    /// Texts of a chunk: enough to keep all processors busy, few enough to take little memory.
    static let chunkTexts = 256
    /// Bytes of text of a chunk, roughly.
    static let chunkBytes = 1 << 20

    private let session: Session
    private let prompt: Prompt
    private let options: VectorOptions
    private let reducer: (any Reducer)?

    /// Elements of a vector.
    let dimensions: Int

    /// Embeds with `model`.
    init(_ model: Model, prompt: Prompt, options: VectorOptions, reducer: (any Reducer)?) throws(Failure) {
        session = Session(model)
        self.prompt = prompt
        self.options = options
        self.reducer = reducer
        dimensions = try ResultShape.vectorElements(1, options, model.network)
    }

    /// A vector for each text.
    func vectors(_ texts: [InputText]) throws(Failure) -> [[Float]] {
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
