public import NestlingBasics
import NestlingKernels
import NestlingTensors

/// Token merging by bipartite soft matching (ToMe; Bolya et al., arXiv 2210.09461).
///
/// Tokens at even places are sources, at odd places destinations. Each source finds the destination with the most similar metric
/// (dot product of the layer's keys, averaged over heads and scaled to length 1); the `r` sources with the highest similarity
/// merge, several into one destination if so. Ties go to the lower place. Protected tokens neither merge nor are merged into, and
/// `r` is at most half of the others.
///
/// In the first layer places are positions. A merge puts the sources that remain, in their order, before the destinations, as the
/// published procedure does, whose next layer therefore divides the tokens otherwise than their positions would; protected
/// tokens stay at the ends. Where none is protected at the beginning, the remaining sources follow each other by falling
/// similarity, as there. All this is only an order in which tokens are looked at: rows keep the order of the sequence.
public struct BipartiteMerging: Reducer {
    private let settings: ReductionSettings
    public var isProportional: Bool { settings.isProportional }
    public var signals: Signals { .keys }

    /// Reads what ``ReductionSettings`` reads; see `nestling_run_options`.
    public init(_ fields: JSONFields) throws(Failure) { settings = try ReductionSettings(fields) }

    /// The matching of another reducer that was told `settings`.
    init(_ settings: ReductionSettings) { self.settings = settings }

    public func changeable(_ count: Int, _ special: SpecialTokens) -> Range<Int> { settings.free(count, special) }

    public func multiplyAdds(_ count: Int, remaining: Int, keySize: Int, hiddenSize: Int) -> Double {
        Double(count) * Double(count) / 4 * Double(keySize)
    }

    public func remainingTokens(_ tokens: Int, in outline: NetworkOutline) -> [Int] {
        settings.remaining(tokens, in: outline) {
            Bipartition.mostMerges(settings.free($0, outline.specialTokens))
        }
    }

    public func map(_ tokens: LayerTokens, remaining: Int, threads: Int) -> TokenMap? {
        map(tokens, remaining: remaining, joining: .mean, threads: threads)
    }

    /// The map of one sequence; sources that were chosen are pruned where `joining` is `nil`.
    func map(_ tokens: LayerTokens, remaining: Int, joining: Joining?, threads: Int) -> TokenMap? {
        let free = settings.free(tokens.count, tokens.special)
        let halves = Bipartition(tokens.count, free: free)
        let merged = min(tokens.count - remaining, halves.mostMerges)
        guard merged > 0, let metric = tokens.keys else { return nil }
        let order = tokens.order.flatMap { $0.count == tokens.count ? $0 : nil }
        if let order { metric.reorderRows(order) }
        var best = [Int32](repeating: -1, count: halves.sources)
        var score = [Float](repeating: -.infinity, count: halves.sources)
        nk_best_match(
            metric.pointer, 2 * metric.stride, halves.sources, halves.isSource, metric.row(1), 2 * metric.stride,
            halves.destinations, halves.isDestination, metric.columns, &best, &score, Int32(threads))
        let ranked = halves.ranked(best: best, score: score)

        let row = { (place: Int) in order.map { Int($0[place]) } ?? place }
        var destination = [Int32](repeating: -1, count: tokens.count)
        for (place, target) in halves.destination(best: best, merged: ranked.prefix(merged)).enumerated()
        where joining != nil || Int(target) == place {
            destination[row(place)] = Int32(truncatingIfNeeded: row(Int(target)))
        }
        var map = TokenMap(destination: destination, joining: joining ?? .mean)
        let rest = ranked.dropFirst(merged).map { 2 * $0 }
        let destinations = stride(from: free.lowerBound | 1, to: free.upperBound, by: 2)
        let places =
            Array(0..<free.lowerBound) + (free.lowerBound > 0 ? rest.sorted() : rest) + destinations
            + (free.upperBound..<tokens.count)
        map.nextOrder = places.map { map.newRow[row($0)] }
        return map
    }
}
