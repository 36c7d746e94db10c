public import NestlingBasics

/// How the next token is chosen from the scores `z` of the vocabulary. Applied in this order, which is that of transformers:
///
/// 1. Repetition penalty `r` (Keskar et al., arXiv 1909.05858), for every token of the prompt or of what was generated:
///    `z / r` where `z > 0`, else `z r`.
/// 2. For a token generated `n` times: `z - frequency n - presence (n > 0)`.
/// 3. Biases are added.
/// 4. With a temperature `t` of 0 the greatest score is taken, the least id of equal ones. Otherwise `p = softmax(z / t)`, of which
/// 5. the `topK` greatest remain,
/// 6. of these the fewest greatest whose sum is at least `topP` (nucleus sampling, Holtzman et al., arXiv 1904.09751),
/// 7. of these the ones of at least `minP` times the greatest (Nguyen et al., arXiv 2407.01082),
///
/// and one is drawn.
public struct SamplingOptions: Sendable, Equatable {
    /// 0: the greatest score.
    public var temperature: Float = 0
    /// 0: all.
    public var topK = 0
    /// 1: all.
    public var topP: Float = 1
    /// 0: all.
    public var minP: Float = 0
    /// 1: none.
    public var repetitionPenalty: Float = 1
    /// 0: none.
    public var presencePenalty: Float = 0
    /// 0: none.
    public var frequencyPenalty: Float = 0
    /// Added to scores; `-infinity` forbids a token.
    public var logitBias: [Int32: Float] = [:]
    /// The same seed gives the same tokens, whatever else runs.
    public var seed: UInt64 = 0

    /// The greatest score.
    public init() {}

    /// Makes sure that all numbers can be meant.
    public func check(vocabularySize: Int) throws(Failure) {
        func require(_ condition: Bool, _ what: @autoclosure () -> String) throws(Failure) {
            if !condition { throw Failure(.invalidArgument, what()) }
        }
        try require(temperature >= 0 && temperature.isFinite, "temperature \(temperature) is not 0 or more")
        try require(topK >= 0, "top_k \(topK) is not 0 or more")
        try require(topP > 0 && topP <= 1, "top_p \(topP) is not in (0, 1]")
        try require(minP >= 0 && minP <= 1, "min_p \(minP) is not in [0, 1]")
        try require(
            repetitionPenalty > 0 && repetitionPenalty.isFinite,
            "repetition_penalty \(repetitionPenalty) is not greater than 0")
        try require(presencePenalty.isFinite, "presence_penalty \(presencePenalty) is not a number")
        try require(frequencyPenalty.isFinite, "frequency_penalty \(frequencyPenalty) is not a number")
        for (token, bias) in logitBias {
            try require(
                (0..<Int32(clamping: vocabularySize)).contains(token),
                "logit_bias: token id \(token) is not in 0 ..< \(vocabularySize)")
            try require(!bias.isNaN && bias != .infinity, "logit_bias of token \(token) is \(bias)")
        }
    }
}
