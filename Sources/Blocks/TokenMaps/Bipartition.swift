/// The tokens of a sequence as sources (at even places) and destinations (at odd ones), protected ones being neither.
struct Bipartition {
    /// Tokens at even places, and at odd ones.
    let sources, destinations: Int
    /// 1 for each of them that is not protected.
    let isSource, isDestination: [UInt8]
    /// See ``mostMerges(_:)``.
    let mostMerges: Int

    /// Of a sequence of `count` tokens, of which `free` are not protected.
    init(_ count: Int, free: Range<Int>) {
        (sources, destinations) = ((count + 1) / 2, count / 2)
        let halves = Self.halves(free)
        isSource = (0..<sources).map { halves.sources.contains($0) ? 1 : 0 }
        isDestination = (0..<destinations).map { halves.destinations.contains($0) ? 1 : 0 }
        mostMerges = Self.mostMerges(free)
    }

    /// The sources and the destinations that are not protected.
    static func halves(_ free: Range<Int>) -> (sources: Range<Int>, destinations: Range<Int>) {
        ((free.lowerBound + 1) / 2..<(free.upperBound + 1) / 2, free.lowerBound / 2..<free.upperBound / 2)
    }

    /// The most tokens that a sequence can lose at once of which `free` are not protected: half of them, no more than there
    /// are sources, and none without a destination.
    static func mostMerges(_ free: Range<Int>) -> Int {
        let (sources, destinations) = halves(free)
        return destinations.isEmpty ? 0 : min((sources.count + destinations.count) / 2, sources.count)
    }

    /// The sources that may merge, the first ones first: by falling score, of equal ones the first. A score that is no number
    /// counts as the lowest.
    func ranked(best: [Int32], score: [Float]) -> [Int] {
        Ranking.descending((0..<sources).filter { isSource[$0] != 0 && best[$0] >= 0 }) { score[$0] }
    }

    /// The place that each place goes to when `merged` sources join their best destinations.
    func destination(best: [Int32], merged: ArraySlice<Int>) -> [Int32] {
        var destination = (0..<sources + destinations).map { Int32(truncatingIfNeeded: $0) }
        for source in merged { destination[2 * source] = 2 * best[source] + 1 }
        return destination
    }
}

/// Orders that are the same everywhere.
enum Ranking {
    /// `items` by falling score; of equal ones in the given order. A score that is no number counts as the lowest.
    static func descending(_ items: [Int], by score: (Int) -> Float) -> [Int] {
        let scored = items.enumerated().map { place, item in
            let score = score(item)
            return (place: place, item: item, score: score.isNaN ? -Float.infinity : score)
        }
        return scored.sorted { $0.score == $1.score ? $0.place < $1.place : $0.score > $1.score }.map(\.item)
    }
}
