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
        let batch: TokenBatch
        var options = options
        do throws(Failure) {
            (batch, options.skippedTokens) = try session.model.tokenize(texts.map(\.bytes), prompt: prompt)
        } catch {
            throw culprit(of: error, texts)
        }
        return try vectors(batch, places: texts.map(\.place), options)
    }

    /// A vector for each sequence of token ids.
    func vectors(_ batch: TokenBatch, places: [String]) throws(Failure) -> [[Float]] {
        try vectors(batch, places: places, options)
    }

    private func vectors(_ batch: TokenBatch, places: [String], _ options: VectorOptions) throws(Failure) -> [[Float]] {
        for sequence in 0..<batch.count where batch.offsets[sequence] == batch.offsets[sequence + 1] {
            throw Failure(.invalidArgument, "\(places[sequence]): has no tokens")
        }
        return try session.encode(
            batch, options: options, reduction: reducer, progress: ProgressBar.listening(stage:done:total:))
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
