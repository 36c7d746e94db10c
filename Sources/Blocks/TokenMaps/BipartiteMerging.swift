public import Basics
import Kernels
public import Tensors

/// Token merging by bipartite soft matching (ToMe; Bolya et al., arXiv 2210.09461).
///
/// Tokens at even positions are sources, at odd positions destinations. Each source finds the destination with the most
/// similar metric (dot product of the layer's keys, averaged over heads and scaled to length 1); the `r` sources with the
/// highest similarity merge, several into one destination if so. Ties go to the lower index. Protected tokens neither
/// merge nor are merged into, and `r` is at most half of the others. Original order is kept.
public struct BipartiteMerging: Reducer {
    private let schedule: ReductionSchedule
    private let protectsFirst: Bool
    private let protectsLast: Bool
    public let isProportional: Bool

    /// Reads `{"r" or "ratio", "schedule"?, "protect"?, "proportional_attention"?}`; see `nestling_run_options`.
    public init(_ fields: JSONFields) throws(Failure) {
        try fields.refuseUnknownKeys(known: ["method", "r", "ratio", "schedule", "protect", "proportional_attention"])
        schedule = try ReductionSchedule(fields)
        let protect = try fields.string("protect", default: "special")
        switch protect {
        case "special": (protectsFirst, protectsLast) = (true, true)
        case "first": (protectsFirst, protectsLast) = (true, false)
        case "last": (protectsFirst, protectsLast) = (false, true)
        case "none": (protectsFirst, protectsLast) = (false, false)
        default:
            throw Failure(
                .invalidArgument,
                "\(fields.name): protect \(protect.quoted) is not known; known are special, first, last, none")
        }
        isProportional = try fields.bool("proportional_attention", default: true)
    }

    private func isProtected(_ token: Int, of count: Int) -> Bool {
        (protectsFirst && token == 0) || (protectsLast && token == count - 1)
    }

    /// The most tokens that a sequence of `count` can lose at once: half of those that are not protected, no more than
    /// there are sources, and none without a destination.
    private func largestAmount(_ count: Int) -> Int {
        var sources = 0
        var destinations = 0
        for token in 0..<count where !isProtected(token, of: count) {
            if token % 2 == 0 { sources += 1 } else { destinations += 1 }
        }
        return destinations == 0 ? 0 : min((sources + destinations) / 2, sources)
    }

    public func remainingTokens(_ tokens: Int, layers: Int) -> [Int] {
        var remaining = tokens
        return schedule.amounts(tokens: tokens, layers: layers).map { amount in
            remaining -= min(amount, largestAmount(remaining))
            return remaining
        }
    }

    public func map(_ metric: Matrix, remaining: Int, threads: Int) -> TokenMap? {
        let count = metric.rows
        let merged = min(count - remaining, largestAmount(count))
        guard merged > 0 else { return nil }
        let sources = (count + 1) / 2
        let destinations = count / 2
        let isSource = (0..<sources).map { isProtected(2 * $0, of: count) ? UInt8(0) : 1 }
        let isDestination = (0..<destinations).map { isProtected(2 * $0 + 1, of: count) ? UInt8(0) : 1 }
        var best = [Int32](repeating: -1, count: sources)
        var score = [Float](repeating: -.infinity, count: sources)
        nk_best_match(
            metric.pointer, 2 * metric.stride, sources, isSource, metric.row(1), 2 * metric.stride, destinations,
            isDestination, metric.columns, &best, &score, Int32(threads))

        // Highest similarity first; a similarity that is no number counts as none.
        let order = (0..<sources).filter { isSource[$0] != 0 && best[$0] >= 0 }.sorted { left, right in
            let (a, b) = (score[left].isNaN ? -.infinity : score[left], score[right].isNaN ? -.infinity : score[right])
            return a == b ? left < right : a > b
        }
        var destination = [Int32](repeating: -1, count: count)
        for source in order.prefix(merged) { destination[2 * source] = 2 * best[source] + 1 }

        var newRow = [Int32](repeating: 0, count: count)
        var keptRows: [Int32] = []
        for token in 0..<count where destination[token] < 0 {
            newRow[token] = Int32(truncatingIfNeeded: keptRows.count)
            keptRows.append(Int32(truncatingIfNeeded: token))
        }
        for token in 0..<count where destination[token] >= 0 { newRow[token] = newRow[Int(destination[token])] }
        return TokenMap(newRow: newRow, keptRows: keptRows)
    }
}
