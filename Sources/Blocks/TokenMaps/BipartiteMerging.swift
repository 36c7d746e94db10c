public import Basics
import Kernels
import Tensors

/// Token merging by bipartite soft matching (ToMe; Bolya et al., arXiv 2210.09461).
///
/// Tokens at even positions are sources, at odd positions destinations. Each source finds the destination with the most
/// similar metric (dot product of the layer's keys, averaged over heads and scaled to length 1); the `r` sources with the
/// highest similarity merge, several into one destination if so. Ties go to the lower index. Protected tokens neither
/// merge nor are merged into, and `r` is at most half of the others. Original order is kept.
public struct BipartiteMerging: Reducer {
    private let settings: ReductionSettings
    public var isProportional: Bool { settings.isProportional }
    public var signals: Signals { .keys }

    /// Reads what ``ReductionSettings`` reads; see `nestling_run_options`.
    public init(_ fields: JSONFields) throws(Failure) { settings = try ReductionSettings(fields) }

    /// The matching of another reducer that was told `settings`.
    init(_ settings: ReductionSettings) { self.settings = settings }

    public func multiplyAdds(_ count: Int, remaining: Int, keySize: Int, hiddenSize: Int) -> Double {
        Double(count) * Double(count) / 4 * Double(keySize)
    }

    public func remainingTokens(_ tokens: Int, in outline: NetworkOutline) -> [Int] {
        settings.remaining(tokens, in: outline) {
            Bipartition.mostMerges(settings.free($0, outline.specialTokens))
        }
    }

    public func map(_ tokens: LayerTokens, remaining: Int, threads: Int) -> TokenMap? {
        destination(tokens, remaining: remaining, threads: threads).map { TokenMap(destination: $0) }
    }

    /// Where each token goes, itself if it stays; `nil` if all do.
    func destination(_ tokens: LayerTokens, remaining: Int, threads: Int) -> [Int32]? {
        let halves = Bipartition(tokens.count, free: settings.free(tokens.count, tokens.special))
        let merged = min(tokens.count - remaining, halves.mostMerges)
        guard merged > 0, let metric = tokens.keys else { return nil }
        var best = [Int32](repeating: -1, count: halves.sources)
        var score = [Float](repeating: -.infinity, count: halves.sources)
        nk_best_match(
            metric.pointer, 2 * metric.stride, halves.sources, halves.isSource, metric.row(1), 2 * metric.stride,
            halves.destinations, halves.isDestination, metric.columns, &best, &score, Int32(threads))
        return halves.destination(best: best, score: score, merged: merged)
    }
}
