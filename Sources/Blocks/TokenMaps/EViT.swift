public import NestlingBasics

/// EViT: tokens to which the class token attends the least become one (Liang et al., arXiv 2202.07800).
///
/// Tokens are ranked by the weight with which the first token attends to them, mean over heads, in this layer. Those that are
/// not kept are fused into `sum_j a_j x_j` over them, `a_j` their weights as they are (they add up to less than 1), in the place
/// of the one with the greatest weight. The fused token is one like any other for later layers. `"fuse": false` drops them
/// instead. Ties keep the lower index. A layer that would fuse a single token does nothing.
public struct EViT: Reducer {
    private let settings: ReductionSettings
    private let fuses: Bool
    public var isProportional: Bool { settings.isProportional }
    public var signals: Signals { .firstTokenAttention }
    public var prunes: Bool { !fuses }

    /// Reads what ``ReductionSettings`` reads, and `{"fuse"?: true}`. By default attention does not know sizes, as in the
    /// paper.
    public init(_ fields: JSONFields) throws(Failure) {
        settings = try ReductionSettings(fields, ownKeys: ["fuse"], isProportional: false)
        fuses = try fields.bool("fuse", default: true)
        guard settings.protectsFirst else {
            throw Failure(.invalidArgument, "\(fields.name): \"protect\" must include the first token for evit")
        }
    }

    /// Fewer tokens, where so many of them are fused or dropped.
    private func mostRemoved(_ count: Int, _ special: SpecialTokens) -> Int {
        settings.free(count, special).count - (fuses ? 1 : 0)
    }

    public func remainingTokens(_ tokens: Int, in outline: NetworkOutline) -> [Int] {
        settings.remaining(tokens, in: outline, extra: fuses ? 1 : 0, most: { mostRemoved($0, outline.specialTokens) })
    }

    public func map(_ tokens: LayerTokens, remaining: Int, threads: Int) -> TokenMap? {
        guard let attention = tokens.attention else { return nil }
        let removed = min(tokens.count - remaining, mostRemoved(tokens.count, tokens.special))
        guard removed > 0 else { return nil }
        let free = Array(settings.free(tokens.count, tokens.special))
        let inattentive = Ranking.descending(free, by: { attention[$0] }).suffix(removed + (fuses ? 1 : 0))
        let fused = fuses ? Int32(truncatingIfNeeded: inattentive.first ?? 0) : -1
        var destination = (0..<tokens.count).map { Int32(truncatingIfNeeded: $0) }
        for token in inattentive { destination[token] = fused }
        let weights = (0..<tokens.count).map { attention[$0] }
        return TokenMap(destination: destination, joining: fuses ? .sum(factors: weights) : .mean)
    }
}
