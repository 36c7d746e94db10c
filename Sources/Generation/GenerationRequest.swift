public import NestlingBasics
public import NestlingBlocks
public import NestlingModels

/// What is to be generated.
public struct GenerationRequest {
    /// Token ids, special ones included; at least one.
    public var prompt: [Int32]
    /// At most so many tokens are generated.
    public var maximumNewTokens: Int
    /// How each is chosen.
    public var sampling = SamplingOptions()
    /// Generation ends with any of these, which is the last token given out.
    public var stopTokens: Set<Int32> = []
    /// None of ``stopTokens`` is chosen before so many tokens have been.
    public var minimumNewTokens = 0
    /// Log-probabilities are given: of the token chosen and of so many leading ones; `nil`: none.
    public var leadingLogProbabilities: Int?
    /// What guesses tokens ahead.
    public var draft = Draft.none
    /// A sequence whose leading tokens may be those of the prompt: as far as they are, they are not run again.
    public var prefix: CachedSequence?
    /// May change the scores of the next token: `-infinity` forbids one.
    public var constraint: Constraint?

    /// Greedy generation of at most `maximumNewTokens` tokens after `prompt`.
    public init(prompt: [Int32], maximumNewTokens: Int) {
        self.prompt = prompt
        self.maximumNewTokens = maximumNewTokens
    }
}

/// Hears the tokens generated so far and changes the scores of the next one.
public typealias Constraint = (_ generated: ArraySlice<Int32>, _ scores: UnsafeMutableBufferPointer<Float>)
    throws(Failure) -> Void

/// What guesses tokens ahead, so that several are verified at once (speculative decoding: Leviathan et al., arXiv 2211.17192;
/// Chen et al., arXiv 2302.01318). What is generated does not depend on it: with a temperature of 0 the tokens are the same,
/// otherwise their distribution is.
public enum Draft {
    /// Nothing.
    case none
    /// A submodel of the same weights (MatFormer, arXiv 2310.07707, section 4.2). It reads what the whole model remembers of the
    /// verified tokens and keeps nothing of its own. At most `tokens` are guessed at once.
    case submodel(Network, tokens: Int)
    /// What followed the last time that the last tokens were seen (Saxena, prompt lookup decoding, 2023): the longest match of up
    /// to `match` tokens counts.
    case promptLookup(match: Int, tokens: Int)
}
