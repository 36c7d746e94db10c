public import NestlingBlocks

/// What a run is to give.
public enum Request: Sendable {
    /// One vector for each sequence.
    case vectors(VectorOptions)
    /// Hidden states of every token after `layer` blocks (0: the embedding); `unmerged` gives every original token a row.
    case states(layer: Int, unmerged: Bool)
    /// Scores of a head.
    case scores(HeadKind, unmerged: Bool)
}

/// How token vectors become sequence vectors, where the checkpoint's way is not wanted.
public struct VectorOptions: Sendable {
    /// `nil`: as the checkpoint says.
    public var pooling: Pooling?
    /// Whether to scale to length 1; `nil`: as the checkpoint says.
    public var normalizes: Bool?
    /// Leading dimensions to keep, before scaling; `nil`: all that the model gives.
    public var dimensions: Int?
    /// Leading tokens of each sequence that a mean leaves out: those of a prompt, where the checkpoint says so.
    public var skippedTokens = 0

    /// As the checkpoint says.
    public init() {}
}
