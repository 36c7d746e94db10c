/// How the sequences of a slice are shared among threads.
///
/// Groups of neighbouring sequences run apart, each from the embedding to the result on one thread: its activations stay in
/// that processor's own cache, little memory is touched, and threads wait for each other once instead of after every
/// operation. What would leave threads idle at the end runs together: one group after the other, each on all threads.
/// Results do not depend on it.
struct Schedule {
    /// Groups to be run apart, the most work first.
    private(set) var apart: [Range<Int>] = []
    /// Groups to be run one after the other.
    private(set) var together: [Range<Int>] = []
    /// Threads for those apart.
    private(set) var lanes = 1

    /// A group has about as many tokens: enough to be worth reading all weights for, few enough for a second-level cache.
    private static let usualTokens = 96...256

    /// What running on all threads takes, relative to an even share of the work.
    private static let costOfWaiting = 1.05

    /// Shares the sequences `slice` of `batch` among `threads` threads.
    ///
    /// - Parameter share: the part of the slice's memory that a group takes, where it is not that of its tokens.
    init(
        _ batch: Batch, _ slice: Range<Int>, hiddenSize: Int, threads: Int, share: (Range<Int>) -> Double = { _ in 0 }
    ) {
        let tokens = batch.offsets[slice.upperBound] - batch.offsets[slice.lowerBound]
        let even = threads == 1 ? tokens : tokens / (4 * threads)
        let limit = min(max(even, Self.usualTokens.lowerBound), Self.usualTokens.upperBound)
        let groups = batch.groups(of: slice, tokens: limit)
        guard threads > 1, groups.count > 1 else {
            together = groups
            return
        }
        // Lanes have equal parts of the slice's memory: what does not fit there needs all of it.
        func fits(_ group: Range<Int>) -> Bool {
            min(threads, groups.count) * batch.tokens(group) <= tokens
                && Double(min(threads, groups.count)) * share(group) <= 1
        }
        let candidates = groups.filter(fits).map { (group: $0, cost: Self.cost(batch, $0, hiddenSize)) }
            .sorted { $0.cost > $1.cost }
        let costs = candidates.map(\.cost)
        var best = (time: Double.infinity, count: 0)
        for count in [0] + Array(max(0, costs.count - threads + 1)...costs.count) {
            let rest = costs[count...].reduce(0, +) / Double(threads) * Self.costOfWaiting
            let time = Self.time(costs[..<count], lanes: threads) + rest
            if time < best.time { best = (time, count) }
        }
        guard best.count > 1 else {
            together = [slice]
            return
        }
        lanes = min(threads, best.count)
        apart = candidates[..<best.count].map(\.group)
        together = (groups.filter { !fits($0) } + candidates[best.count...].map(\.group))
            .sorted { $0.lowerBound < $1.lowerBound }
    }

    /// Work of a group, in multiply-adds per layer and feature: 12 matrices of the hidden size for a token, and each token
    /// with each of its sequence, twice.
    private static func cost(_ batch: Batch, _ group: Range<Int>, _ hiddenSize: Int) -> Double {
        group.reduce(0) { sum, sequence in
            let length = Double(batch.length(sequence))
            return sum + length * (12 * Double(hiddenSize) + 2 * length)
        }
    }

    /// Time until all are done when whoever is free takes the next.
    private static func time(_ costs: ArraySlice<Double>, lanes: Int) -> Double {
        var busy = [Double](repeating: 0, count: lanes)
        for cost in costs {
            let next = busy.indices.min { busy[$0] < busy[$1] } ?? 0
            busy[next] += cost
        }
        return busy.max() ?? 0
    }
}
