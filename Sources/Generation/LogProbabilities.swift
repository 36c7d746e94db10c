import Glibc

/// Natural logarithms of `softmax(scores)`, as the model gives them, before any option of sampling.
enum LogProbabilities {
    /// What is subtracted from each score: `log sum exp`, summed in float64.
    static func logarithmOfSum(_ scores: UnsafeBufferPointer<Float>) -> Double {
        var greatest = -Float.infinity
        for score in scores where score > greatest || score.isNaN { greatest = score }
        guard greatest.isFinite else { return Double(greatest) }
        var sum = 0.0
        for score in scores { sum += exp(Double(score - greatest)) }
        return Double(greatest) + log(sum)
    }

    /// The `count` most probable tokens, falling, equal ones by rising id.
    static func leading(_ scores: UnsafeBufferPointer<Float>, _ count: Int, logarithmOfSum: Double) -> [TokenScore] {
        var kept: [TokenScore] = []
        for (index, score) in scores.enumerated() {
            let logProbability = Double(score) - logarithmOfSum
            if kept.count == count, let last = kept.last, last.logProbability >= logProbability { continue }
            let place = kept.firstIndex { $0.logProbability < logProbability } ?? kept.count
            kept.insert(TokenScore(token: Int32(index), logProbability: logProbability), at: place)
            if kept.count > count { kept.removeLast() }
        }
        return kept
    }
}

/// A token and the natural logarithm of its probability.
public struct TokenScore: Sendable, Equatable {
    /// Its id.
    public let token: Int32
    /// By the model, before any option of sampling.
    public let logProbability: Double
}
