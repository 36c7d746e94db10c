public import NestlingBasics

/// Prunes the tokens that are attended to the least, by the mean over all heads and queries of the weights with which each is
/// attended to in this layer (as Goyal et al., PoWER-BERT, arXiv 2001.08950, whose significance is its sum over heads and
/// queries). Ties keep the lower index. What is pruned is in no vector; unmerged, it has its last state.
public struct AttentionPruning: Reducer {
    private let settings: ReductionSettings
    public var isProportional: Bool { false }
    public var signals: Signals { .attentionReceived }
    public var prunes: Bool { true }

    /// Reads what ``ReductionSettings`` reads.
    public init(_ fields: JSONFields) throws(Failure) {
        settings = try ReductionSettings(fields, isProportional: false)
    }

    public func remainingTokens(_ tokens: Int, in outline: NetworkOutline) -> [Int] {
        settings.remaining(tokens, in: outline) { min(settings.free($0, outline.specialTokens).count, $0 - 1) }
    }

    public func map(_ tokens: LayerTokens, remaining: Int, threads: Int) -> TokenMap? {
        guard let attention = tokens.attention else { return nil }
        let free = settings.free(tokens.count, tokens.special)
        let pruned = min(tokens.count - remaining, free.count, tokens.count - 1)
        guard pruned > 0 else { return nil }
        var destination = (0..<tokens.count).map { Int32(truncatingIfNeeded: $0) }
        for token in Ranking.descending(Array(free), by: { attention[$0] }).suffix(pruned) { destination[token] = -1 }
        return TokenMap(destination: destination)
    }
}
