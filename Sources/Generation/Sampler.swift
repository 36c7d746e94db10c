import NestlingBasics
import Glibc

/// Chooses tokens of one sequence by ``SamplingOptions``.
struct Sampler {
    private let options: SamplingOptions
    private let prompt: Set<Int32>
    private var counts: [Int32: Int] = [:]
    private var random: RandomSource

    /// A sampler for what follows `prompt`.
    init(_ options: SamplingOptions, prompt: some Sequence<Int32>) {
        self.options = options
        self.prompt = options.repetitionPenalty == 1 ? [] : Set(prompt)
        random = RandomSource(seed: options.seed)
    }

    /// Takes note that `token` was generated.
    mutating func append(_ token: Int32) { counts[token, default: 0] += 1 }

    /// Takes that back.
    mutating func remove(_ token: Int32) {
        guard let count = counts[token] else { return }
        counts[token] = count > 1 ? count - 1 : nil
    }

    /// In `[0, 1)`.
    mutating func uniform() -> Double { random.uniform() }

    /// A token of `distribution`.
    mutating func draw(_ distribution: Distribution) -> Int32 {
        distribution.candidates.count == 1 ? distribution.candidates[0].token : distribution.token(at: uniform())
    }

    /// What may come next by `scores`, which are changed.
    ///
    /// - Throws: `.corrupt` if a score is not a number, or none is left.
    func distribution(_ scores: UnsafeMutableBufferPointer<Float>) throws(Failure) -> Distribution {
        adjust(scores)
        var best = 0
        var greatest = -Float.infinity
        var sum: Float = 0
        for index in scores.indices {
            let score = scores[index]
            sum += score * 0
            if score > greatest { (greatest, best) = (score, index) }
        }
        // Forbidden tokens have -infinity; a NaN is among the scores only if the sum tells of more than these.
        if sum != 0, let wrong = scores.firstIndex(where: { $0.isNaN || $0 == .infinity }) {
            throw Failure(.corrupt, "the model's score of token \(wrong) is \(scores[wrong])")
        }
        guard greatest > -.infinity else {
            throw Failure(.invalidArgument, "no token may come next: all are forbidden")
        }
        guard options.temperature > 0 else { return Distribution(certain: Int32(best)) }
        return Distribution(truncated(scores, greatest: greatest))
    }

    private func adjust(_ scores: UnsafeMutableBufferPointer<Float>) {
        func change(_ token: Int32, _ body: (Float) -> Float) {
            guard let index = Int(exactly: token), scores.indices.contains(index) else { return }
            scores[index] = body(scores[index])
        }
        if options.repetitionPenalty != 1 {
            let penalty = options.repetitionPenalty
            for token in prompt.union(counts.keys) { change(token) { $0 > 0 ? $0 / penalty : $0 * penalty } }
        }
        if options.frequencyPenalty != 0 || options.presencePenalty != 0 {
            for (token, count) in counts {
                change(token) { $0 - options.frequencyPenalty * Float(count) - options.presencePenalty }
            }
        }
        for (token, bias) in options.logitBias { change(token) { $0 + bias } }
    }

    /// The candidates by temperature, `topK`, `topP` and `minP`, with weights `exp((z - greatest) / t)`.
    private func truncated(
        _ scores: UnsafeMutableBufferPointer<Float>, greatest: Float
    ) -> [(token: Int32, weight: Double)] {
        let factor = 1 / Double(options.temperature)
        func weight(_ score: Float) -> Double { exp(Double(score - greatest) * factor) }
        let keepsAll = options.topK == 0 || options.topK >= scores.count
        if keepsAll, options.topP >= 1 {
            return scores.indices.compactMap { index in
                let weight = weight(scores[index])
                return weight > 0 && weight >= Double(options.minP) ? (Int32(index), weight) : nil
            }
        }
        var candidates = leading(scores, greatest: greatest, keepsAll ? scores.count : options.topK) {
            (Int32($0), weight(scores[$0]))
        }
        if options.topP < 1 {
            // The sum is that of all that topK has left, of which the leading ones may be a part.
            let total =
                keepsAll
                ? scores.reduce(0) { $0 + weight($1) } : candidates.reduce(0) { $0 + $1.weight }
            var sum = 0.0
            var kept = 0
            while kept < candidates.count, kept == 0 || sum < Double(options.topP) * total {
                sum += candidates[kept].weight
                kept += 1
            }
            candidates.removeLast(candidates.count - kept)
        }
        candidates.removeAll { $0.weight < Double(options.minP) || $0.weight == 0 }
        return candidates
    }

    /// The `count` greatest, falling, equal ones by rising id: as far as `topP` may need them.
    private func leading(
        _ scores: UnsafeMutableBufferPointer<Float>, greatest: Float, _ count: Int,
        _ candidate: (Int) -> (token: Int32, weight: Double)
    ) -> [(token: Int32, weight: Double)] {
        func sorted(_ indices: [Int]) -> [(token: Int32, weight: Double)] {
            indices.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(count).map(candidate)
        }
        // Most scores are far below the greatest: sorting the rest is all that is needed, unless they are too few.
        for depth in [Float(4), 12, 24] {
            let near = scores.indices.filter { scores[$0] >= greatest - depth * options.temperature }
            guard near.count < scores.count else { break }
            if near.count >= count { return sorted(near) }
            guard count == scores.count else { continue }
            let candidates = sorted(near)
            let total = scores.reduce(0) { $0 + exp(Double($1 - greatest) / Double(options.temperature)) }
            if candidates.reduce(0, { $0 + $1.weight }) >= Double(options.topP) * total { return candidates }
        }
        return sorted(Array(scores.indices))
    }
}
