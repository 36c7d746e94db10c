public import NestlingBasics
import NestlingKernels
import NestlingTensors

/// Local merging for long sequences (Götz et al., arXiv 2405.17951): as bipartite soft matching, but source `i` (the token at
/// position `2i`) is only compared with destinations `j` (at `2j + 1`) with `|i - j| < band`. Time and memory grow with the
/// number of tokens, not with its square; a band of half of the tokens is ToMe.
///
/// Causal: only destinations with `j >= i`, which stand after their sources, so that no token ever holds one that comes after
/// its place. Which pairs merge is still decided by the similarities of the whole sequence.
public struct LocalMerging: Reducer {
    private let settings: ReductionSettings
    private let band: Int
    private let isCausal: Bool
    public var isProportional: Bool { settings.isProportional }
    public var signals: Signals { .keys }

    /// Reads what ``ReductionSettings`` reads, and `{"band"?: 1, "causal"?: false}`.
    public init(_ fields: JSONFields) throws(Failure) {
        settings = try ReductionSettings(fields, ownKeys: ["band", "causal"])
        band = try fields.integer("band", in: 1...Int(Int32.max), default: 1)
        isCausal = try fields.bool("causal", default: false)
    }

    /// What another reducer does that was told `settings`.
    init(_ settings: ReductionSettings, band: Int, isCausal: Bool) {
        (self.settings, self.band, self.isCausal) = (settings, band, isCausal)
    }

    public func changeable(_ count: Int, _ special: SpecialTokens) -> Range<Int> { settings.free(count, special) }

    public func multiplyAdds(_ count: Int, remaining: Int, keySize: Int, hiddenSize: Int) -> Double {
        Double(count) / 2 * Double(min(2 * band - 1, count / 2)) * Double(keySize)
    }

    public func remainingTokens(_ tokens: Int, in outline: NetworkOutline) -> [Int] {
        settings.remaining(tokens, in: outline) { mostMerges(settings.free($0, outline.specialTokens)) }
    }

    /// Sources that have a destination within reach, as far as there are tokens to lose.
    private func mostMerges(_ free: Range<Int>) -> Int {
        let (sources, destinations) = Bipartition.halves(free)
        guard !destinations.isEmpty else { return 0 }
        // Source i reaches the destinations i - band + 1 (causal: i) ... i + band - 1.
        let first = max(sources.lowerBound, destinations.lowerBound - band + 1)
        let end = min(sources.upperBound, destinations.upperBound + (isCausal ? 0 : band - 1))
        return min(Bipartition.mostMerges(free), max(0, end - first))
    }

    public func map(_ tokens: LayerTokens, remaining: Int, threads: Int) -> TokenMap? {
        let free = settings.free(tokens.count, tokens.special)
        let halves = Bipartition(tokens.count, free: free)
        let merged = min(tokens.count - remaining, mostMerges(free))
        guard merged > 0, let metric = tokens.keys else { return nil }
        var best = [Int32](repeating: -1, count: halves.sources)
        var score = [Float](repeating: -.infinity, count: halves.sources)
        nk_best_match_near(
            metric.pointer, 2 * metric.stride, halves.sources, halves.isSource, metric.row(1), 2 * metric.stride,
            halves.destinations, halves.isDestination, metric.columns, band, isCausal ? 1 : 0, &best, &score,
            Int32(threads))
        let first = halves.ranked(best: best, score: score).prefix(merged)
        return TokenMap(destination: halves.destination(best: best, merged: first))
    }
}
