import Glibc

/// How many tokens to guess next, by how many of the last guesses were right.
///
/// If each guess is right with probability `a` and costs `c` steps of the whole model, `k` guesses bring
/// `(1 - a^(k + 1)) / (1 - a)` tokens (Leviathan et al., arXiv 2211.17192, equation 1) for the price of `1 + k c` steps; the `k`
/// with the best ratio is taken. `a` is a running mean; nothing depends on time, so that the same seed gives the same tokens.
struct DraftLength {
    /// Guesses so far, and those that were right.
    private(set) var guessed = 0
    private(set) var accepted = 0
    private var acceptance = 0.7
    private var skipped = 0
    private let cost: Double
    private let most: Int

    /// Steps for which nothing is guessed before it is tried again.
    private static let pause = 16

    /// - Parameters:
    ///   - cost: of a guess, in steps of the whole model.
    ///   - most: guesses at once.
    init(cost: Double, most: Int) {
        self.cost = cost
        self.most = most
    }

    /// How many to guess, at most `limit`.
    mutating func next(limit: Int) -> Int {
        var best = (count: 0, ratio: 1.0)
        var tokens = 1.0
        var power = 1.0
        for count in 1..<max(2, most + 1) where count <= most {
            power *= acceptance
            tokens += power
            // Verifying a few rows at once costs a little more than one.
            let ratio = tokens / (1 + Double(count) * (cost + 0.01))
            if ratio > best.ratio { best = (count, ratio) }
        }
        if best.count == 0, most > 0 {
            skipped += 1
            if skipped >= Self.pause { (skipped, best.count) = (0, 1) }
        }
        return min(best.count, max(0, limit))
    }

    /// Takes note that of `count` guesses the first `right` were right.
    mutating func record(_ count: Int, right: Int) {
        guessed += count
        accepted += right
        // The first wrong one ends the row: nothing is known of the others.
        for index in 0..<min(count, right + 1) {
            acceptance += 0.1 * ((index < right ? 1 : 0) - acceptance)
        }
    }
}
