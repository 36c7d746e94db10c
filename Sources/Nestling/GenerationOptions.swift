public import NestlingGeneration

/// How a text is gone on with. What is `nil` is as the checkpoint's `generation_config.json` says, or as ``SamplingOptions`` says
/// where that is silent.
public struct GenerationOptions: Sendable {
    /// At most so many tokens; `nil`: as far as the context reaches.
    public var maximumNewTokens: Int?
    /// At least so many, unless the context ends.
    public var minimumNewTokens = 0
    /// 0: always the most probable token.
    public var temperature: Float?
    /// 0: all.
    public var topK: Int?
    /// 1: all.
    public var topP: Float?
    /// 0: all.
    public var minP: Float?
    /// 1: none.
    public var repetitionPenalty: Float?
    /// Subtracted from the scores of tokens that were generated, once.
    public var presencePenalty: Float = 0
    /// Subtracted for each time that they were.
    public var frequencyPenalty: Float = 0
    /// Added to scores; `-infinity` forbids a token.
    public var logitBias: [Int32: Float] = [:]
    /// The same seed gives the same tokens.
    public var seed: UInt64 = 0
    /// Tokens that end the text, besides those of the checkpoint.
    public var stopTokens: Set<Int32> = []
    /// Whether the checkpoint's own tokens that end a text do not.
    public var ignoresEndOfText = false
    /// Strings that end the text and are not part of it. They need a tokenizer.
    public var stopStrings: [String] = []
    /// Log-probabilities are given, of the token and of so many leading ones; `nil`: none.
    public var leadingLogProbabilities: Int?
    /// What guesses tokens ahead.
    public var draft = ModelDraft.none

    /// As the checkpoint says.
    public init() {}
}

/// What guesses tokens ahead (see ``Draft``).
public enum ModelDraft: Sendable {
    /// Nothing.
    case none
    /// A submodel of the same weights, at most so many tokens at once.
    case submodel(Model, tokens: Int)
    /// What followed the last time that up to `match` last tokens were seen, at most so many tokens at once.
    case promptLookup(match: Int, tokens: Int)
}

/// A piece of a generated text.
public struct GeneratedPiece: Sendable {
    /// The token; `nil` for what was waiting when the text ended.
    public let token: GeneratedToken?
    /// The characters that it completes; empty if it completes none, or if the model has no tokenizer.
    public let text: String
    /// Why nothing more comes; `nil`: more does.
    public let finish: FinishReason?
}
