import Nestling

/// What a model is run on: token ids, or images prepared already.
enum InputBatch {
    case tokens(TokenBatch, skipped: Int)
    case images([PreparedImage])

    /// How many texts or images there are.
    var count: Int {
        switch self {
        case .tokens(let batch, _): batch.count
        case .images(let images): images.count
        }
    }

    /// Tokens of each, as `model` makes them.
    func lengths(_ model: Model) throws(Failure) -> [Int] {
        switch self {
        case .tokens(let batch, _):
            return zip(batch.offsets, batch.offsets.dropFirst()).map { $1 - $0 }
        case .images(let images):
            guard let format = model.image else { return [] }
            var lengths: [Int] = []
            for image in images {
                lengths.append(
                    try format.tokens(
                        channels: image.channels, height: image.height, width: image.width, name: "the image"))
            }
            return lengths
        }
    }

    /// One vector for each.
    func vectors(_ session: Session, reducer: (any Reducer)?) throws(Failure) -> [[Float]] {
        let progress: ProgressHandler = ProgressBar.listening(stage:done:total:)
        switch self {
        case .tokens(let batch, let skipped):
            var options = VectorOptions()
            options.skippedTokens = skipped
            return try session.encode(batch, options: options, reduction: reducer, progress: progress)
        case .images(let images): return try session.encode(images, reduction: reducer, progress: progress)
        }
    }

    /// The scores of the labels of each.
    func classification(_ session: Session, reducer: (any Reducer)?) throws(Failure) -> Session.Rows {
        let (head, progress): (HeadKind, ProgressHandler) = (
            .sequenceClassification, ProgressBar.listening(stage:done:total:)
        )
        switch self {
        case .tokens(let batch, _):
            return try session.logits(batch, head: head, reduction: reducer, progress: progress)
        case .images(let images):
            return try session.logits(images, head: head, reduction: reducer, progress: progress)
        }
    }
}
