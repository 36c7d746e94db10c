import NestlingBasics
import Glibc
import NestlingTestSupport
import Testing

@testable import NestlingGeneration

/// The options of sampling, written down as their documentation says, in float64 over sorted copies.
private func expected(
    _ scores: [Float], _ options: SamplingOptions, prompt: [Int32], generated: [Int32]
) -> [Int32: Double] {
    var z = scores.map(Double.init)
    for token in Set(prompt + generated) {
        let index = Int(token), penalty = Double(options.repetitionPenalty)
        z[index] = z[index] > 0 ? z[index] / penalty : z[index] * penalty
    }
    for token in Set(generated) {
        let count = generated.filter { $0 == token }.count
        z[Int(token)] -= Double(options.frequencyPenalty) * Double(count) + Double(options.presencePenalty)
    }
    for (token, bias) in options.logitBias { z[Int(token)] += Double(bias) }
    if options.temperature == 0 {
        let greatest = z.max()!
        return [Int32(z.firstIndex(of: greatest)!): 1]
    }
    let greatest = z.max()!
    var items = z.enumerated().map { (token: Int32($0), p: exp(($1 - greatest) / Double(options.temperature))) }
    items.sort { ($1.p, $0.token) < ($0.p, $1.token) }
    if options.topK > 0 { items = Array(items.prefix(options.topK)) }
    if options.topP < 1 {
        let total = items.reduce(0) { $0 + $1.p }
        var (kept, sum) = (0, 0.0)
        while kept == 0 || (kept < items.count && sum < Double(options.topP) * total) {
            sum += items[kept].p
            kept += 1
        }
        items = Array(items.prefix(kept))
    }
    items = items.filter { $0.p >= Double(options.minP) * items[0].p && $0.p > 0 }
    let total = items.reduce(0) { $0 + $1.p }
    return Dictionary(uniqueKeysWithValues: items.map { ($0.token, $0.p / total) })
}

private func distribution(_ scores: [Float], _ sampler: Sampler) throws -> Distribution {
    var scores = scores
    return try scores.withUnsafeMutableBufferPointer { try sampler.distribution($0) }
}

@Suite struct SamplerTests {
    @Test(arguments: [1, 2, 7, 50, 3000]) func optionsDoWhatTheySay(vocabulary: Int) throws {
        var random = SeededGenerator(UInt64(vocabulary))
        for round in 0..<200 {
            var options = SamplingOptions()
            options.temperature = [0, 0.3, 1, 1.7][round % 4]
            options.topK = round % 3 == 0 ? Int(random.next() % 12) : 0
            options.topP = round % 5 < 2 ? Float(random.next() % 1000 + 1) / 1000 : 1
            options.minP = round % 7 == 0 ? 0.1 : 0
            if round % 2 == 0 { options.repetitionPenalty = 1.25 }
            if round % 3 == 1 { (options.frequencyPenalty, options.presencePenalty) = (0.2, 0.4) }
            if round % 4 == 1 {
                options.logitBias[Int32(vocabulary - 1)] = -.infinity
                options.logitBias[0] = 2
            }
            let scores = (0..<vocabulary).map { _ in random.normal(round % 2 == 0 ? 1 : 6) }
            let token = { Int32(random.next() % UInt64(vocabulary)) }
            let prompt = (0..<3).map { _ in token() }, generated = (0..<round % 6).map { _ in token() }
            var sampler = Sampler(options, prompt: prompt)
            for token in generated + [0] { sampler.append(token) }
            sampler.remove(0)
            let expected = expected(scores, options, prompt: prompt, generated: generated)
            let found = try distribution(scores, sampler)
            // float32 scores may change places where they are as good as equal.
            for (token, p) in expected {
                #expect(abs(found.probability(token) - p) < 1e-5, "round \(round) token \(token)")
            }
            #expect(found.candidates.filter { $0.weight > 0 }.count == expected.count, "round \(round)")
        }
    }

    @Test func equalScoresAreTakenInOrder() throws {
        var options = SamplingOptions()
        #expect(try distribution([1, 3, 3, 2], Sampler(options, prompt: [])).candidates.map(\.token) == [1])
        (options.temperature, options.topK) = (1, 2)
        #expect(try distribution([3, 1, 3, 3], Sampler(options, prompt: [])).candidates.map(\.token) == [0, 2])
    }

    /// Numbers drawn come as often as they should: of 100,000 draws, 5 standard deviations at most off.
    @Test func drawsFollowTheDistribution() throws {
        var options = SamplingOptions()
        options.temperature = 1
        options.seed = 9
        let scores: [Float] = [0, 1, 2, -1, 0.5]
        var sampler = Sampler(options, prompt: [])
        let distribution = try distribution(scores, sampler)
        var counts = [0, 0, 0, 0, 0]
        let draws = 100_000
        for _ in 0..<draws { counts[Int(sampler.draw(distribution))] += 1 }
        for token in 0..<5 {
            let p = distribution.probability(Int32(token)), n = Double(draws)
            #expect(abs(Double(counts[token]) - n * p) < 5 * (n * p * (1 - p)).squareRoot(), "token \(token)")
        }
        var again = Sampler(options, prompt: [])
        var other = Sampler(options, prompt: [])
        #expect((0..<50).allSatisfy { _ in again.draw(distribution) == other.draw(distribution) })
    }

    @Test func wrongScoresAreRefused() {
        for scores: [Float] in [[1, .nan, 2], [.nan], [1, .infinity]] {
            for temperature: Float in [0, 1] {
                var options = SamplingOptions()
                options.temperature = temperature
                #expect(failure { try distribution(scores, Sampler(options, prompt: [])) }?.kind == .corrupt)
            }
        }
        let forbidden: [Float] = [-.infinity, -.infinity]
        #expect(
            failure { try distribution(forbidden, Sampler(SamplingOptions(), prompt: [])) }?.kind == .invalidArgument)
    }

    @Test func optionsThatCannotBeMeant() {
        let changes: [(inout SamplingOptions) -> Void] = [
            { $0.temperature = -1 }, { $0.temperature = .nan }, { $0.temperature = .infinity }, { $0.topK = -1 },
            { $0.topP = 0 }, { $0.topP = 1.1 }, { $0.topP = .nan }, { $0.minP = -0.1 }, { $0.minP = 2 },
            { $0.repetitionPenalty = 0 }, { $0.repetitionPenalty = .nan }, { $0.presencePenalty = .infinity },
            { $0.frequencyPenalty = .nan }, { $0.logitBias = [10: 1] }, { $0.logitBias = [-1: 1] },
            { $0.logitBias = [1: .infinity] }, { $0.logitBias = [1: .nan] },
        ]
        for (index, change) in changes.enumerated() {
            var options = SamplingOptions()
            change(&options)
            #expect(failure { try options.check(vocabularySize: 10) }?.kind == .invalidArgument, "change \(index)")
        }
    }

    @Test func residualOfARefusedGuess() {
        let p = Distribution([(0, 0.5), (1, 0.3), (2, 0.2)]), q = Distribution([(0, 0.8), (1, 0.2)])
        let rest = p.less(q)
        #expect(abs((rest?.probability(1) ?? 0) - 1.0 / 3) < 1e-12)
        #expect(abs((rest?.probability(2) ?? 0) - 2.0 / 3) < 1e-12)
        #expect(rest?.probability(0) == 0)
        #expect(p.less(p) == nil)
    }
}

@Suite struct PromptLookupTests {
    @Test func guesses() {
        let text: [Int32] = [1, 2, 3, 4, 9, 2, 3, 7, 2, 3]
        #expect(Array(PromptLookup.guess(text, match: 3, count: 4)) == [7, 2, 3])
        #expect(Array(PromptLookup.guess(text, match: 3, count: 1)) == [7])
        #expect(Array(PromptLookup.guess([4, 9, 2, 3, 4, 9, 2], match: 3, count: 2)) == [3, 4])
        #expect(PromptLookup.guess([1, 2, 3], match: 3, count: 2).isEmpty)
        #expect(PromptLookup.guess([1], match: 3, count: 2).isEmpty)
        #expect(Array(PromptLookup.guess([1, 1], match: 3, count: 2)) == [1])
    }
}
