public import NestlingBasics
import NestlingTensors

/// ToFu: prunes first, merges later (Kim et al., Token Fusion, arXiv 2312.01026).
///
/// The matching is that of ToMe. In the first `prune_layers` layers, where a network answers least linearly to the mean of two
/// tokens, the sources that were chosen are pruned, and their destinations stay as they are. In later layers they merge, and
/// the merged token gets the direction of the mean weighted by size and the length of its longest part (the paper's MLERP).
public struct TokenFusion: Reducer {
    private let settings: ReductionSettings
    private let matching: BipartiteMerging
    /// `nil`: half of the layers, rounded down.
    private let pruneLayers: Int?
    public var isProportional: Bool { settings.isProportional }
    public var signals: Signals { .keys }
    public var prunes: Bool { pruneLayers != 0 }

    /// Reads what ``ReductionSettings`` reads, and `{"prune_layers"?}`.
    public init(_ fields: JSONFields) throws(Failure) {
        settings = try ReductionSettings(fields, ownKeys: ["prune_layers"])
        matching = BipartiteMerging(settings)
        pruneLayers = try fields.optionalInteger("prune_layers", in: 0...65536)
    }

    public func changeable(_ count: Int, _ special: SpecialTokens) -> Range<Int> { settings.free(count, special) }

    public func multiplyAdds(_ count: Int, remaining: Int, keySize: Int, hiddenSize: Int) -> Double {
        matching.multiplyAdds(count, remaining: remaining, keySize: keySize, hiddenSize: hiddenSize)
    }

    public func remainingTokens(_ tokens: Int, in outline: NetworkOutline) -> [Int] {
        matching.remainingTokens(tokens, in: outline)
    }

    public func map(_ tokens: LayerTokens, remaining: Int, threads: Int) -> TokenMap? {
        let prunes = tokens.layer < pruneLayers ?? tokens.layers / 2
        return matching.map(tokens, remaining: remaining, joining: prunes ? nil : .longest, threads: threads)
    }
}
