import NestlingBasics
import NestlingBlocks
import Glibc
import NestlingModels
import NestlingTestSupport
import Testing

@testable import NestlingGeneration

/// What callbacks heard.
private final class Heard {
    var numbers: [Int] = []
}

extension Generator {
    /// Runs until nothing is left; gives the tokens of every request and how it ended.
    func run(limit: Int = 20_000) throws -> [Int: (tokens: [Int32], reason: FinishReason?)] {
        var results: [Int: (tokens: [Int32], reason: FinishReason?)] = [:]
        for _ in 0..<limit where requests > 0 {
            for (request, event) in try step() {
                switch event {
                case .token(let token): results[request, default: ([], nil)].tokens.append(token.token)
                case .finished(let reason): results[request, default: ([], nil)].reason = reason
                }
            }
        }
        #expect(requests == 0)
        return results
    }

    /// Runs one request alone.
    func generate(_ request: GenerationRequest) throws -> [Int32] {
        let id = try add(request)
        return try run()[id]?.tokens ?? []
    }
}

private func makeGenerator(
    _ network: Network, _ type: CacheType = .float32, cacheLimit: Int = 0, sliceTokens: Int = 512, requests: Int = 64
) throws -> Generator {
    var options = Generator.Options()
    options.sliceTokens = sliceTokens
    options.maximumRequests = requests
    return Generator(try makeDecoder(network, type, cacheLimit: cacheLimit), options: options)
}

@Suite struct GeneratorTests {
    /// The greatest score of the whole text, run again for every token.
    private func slowly(_ network: Network, _ prompt: [Int32], _ count: Int) throws -> [Int32] {
        let decoder = try makeDecoder(network)
        var text = prompt
        for _ in 0..<count {
            let scores = try scores(decoder, [text], most: 100_000)[0].suffix(decoder.vocabularySize)
            let best = scores.indices.max { (scores[$0], $1) < (scores[$1], $0) } ?? 0
            text.append(Int32(best - scores.startIndex))
        }
        return Array(text.dropFirst(prompt.count))
    }

    @Test func greedyIsTheGreatestScore() throws {
        let network = try MadeUpDecoder.checkpoint().network()
        let prompt = texts([30])[0]
        let expected = try slowly(network, prompt, 60)
        #expect(Set(expected).count > 3)
        #expect(
            try makeGenerator(network).generate(GenerationRequest(prompt: prompt, maximumNewTokens: 60)) == expected)
    }

    /// Requests that come and go while others run change nothing.
    @Test(arguments: CacheType.allCases) func othersDoNotMatter(type: CacheType) throws {
        let network = try MadeUpDecoder.checkpoint().network()
        var requests: [GenerationRequest] = []
        for (index, prompt) in texts([1, 3, 70, 150, 33, 64, 9, 200]).enumerated() {
            var request = GenerationRequest(prompt: prompt, maximumNewTokens: 20 + 17 * index)
            if index % 2 == 0 { (request.sampling.temperature, request.sampling.seed) = (1, UInt64(index)) }
            if index == 3 { request.sampling.repetitionPenalty = 1.3 }
            requests.append(request)
        }
        let alone = try requests.map { try makeGenerator(network, type).generate($0) }
        let together = try makeGenerator(network, type, sliceTokens: 50, requests: 5)
        var ids: [Int] = []
        var results: [Int: [Int32]] = [:]
        while ids.count < requests.count || together.requests > 0 {
            if ids.count < requests.count { ids.append(try together.add(requests[ids.count])) }
            for (request, event) in try together.step() {
                if case .token(let token) = event { results[request, default: []].append(token.token) }
            }
        }
        for (index, id) in ids.enumerated() { #expect(results[id] == alone[index], "request \(index)") }
    }

    @Test func lackOfMemoryCostsTimeOnly() throws {
        let network = try MadeUpDecoder.checkpoint().network()
        let requests = texts([100, 90, 130, 20]).map { GenerationRequest(prompt: $0, maximumNewTokens: 100) }
        let alone = try requests.map { try makeGenerator(network).generate($0) }
        let page = try makeDecoder(network).layout
        let pages = page.pageBytes(0) + page.pageBytes(1)
        let narrow = try makeGenerator(network, cacheLimit: 8 * pages)
        let ids = try requests.map { try narrow.add($0) }
        let results = try narrow.run()
        for (index, id) in ids.enumerated() { #expect(results[id]?.tokens == alone[index], "request \(index)") }
        #expect(narrow.statistics.restarts > 0)
        // One that can never fit fails, and others go on.
        let tiny = try makeGenerator(network, cacheLimit: 3 * pages)
        let large = try tiny.add(requests[2]), small = try tiny.add(requests[3])
        let found = try tiny.run()
        if case .failed(let failure) = found[large]?.reason {
            #expect(failure.kind == .outOfMemory)
        } else {
            Issue.record("the request that does not fit did not fail")
        }
        #expect(found[small]?.tokens == alone[3])
        #expect(tiny.decoder.pool.usedBytes == 0)
    }

    @Test(arguments: CacheType.allCases) func draftsDoNotChangeGreedyText(type: CacheType) throws {
        let network = try MadeUpDecoder.checkpoint().network()
        var kept = network.kept
        kept.widths = kept.widths.map { $0 / 2 }
        let half = Network(network.weights, keeping: kept)
        kept = network.kept
        kept.keep(layers: [0])
        let first = Network(network.weights, keeping: kept)
        for prompt in texts([5, 80]) {
            let request = GenerationRequest(prompt: prompt, maximumNewTokens: 150)
            let expected = try makeGenerator(network, type).generate(request)
            let drafts: [Draft] = [
                .submodel(half, tokens: 4), .submodel(network, tokens: 7), .submodel(first, tokens: 2),
                .promptLookup(match: 3, tokens: 6),
            ]
            for (index, draft) in drafts.enumerated() {
                var guessed = request
                guessed.draft = draft
                let generator = try makeGenerator(network, type)
                #expect(try generator.generate(guessed) == expected, "draft \(index)")
                #expect(generator.statistics.guessedTokens > 0)
                // What the whole network guesses is always right.
                if index == 1 {
                    #expect(generator.statistics.acceptedTokens == generator.statistics.guessedTokens)
                    #expect(generator.statistics.steps < 150)
                }
            }
            // All at once, with one that guesses nothing.
            let together = try makeGenerator(network, type)
            let ids = try drafts.map { draft in
                var guessed = request
                guessed.draft = draft
                return try together.add(guessed)
            }
            let plain = try together.add(request)
            let results = try together.run()
            for id in ids + [plain] { #expect(results[id]?.tokens == expected) }
        }
    }

    /// Rejection sampling gives the model's own distribution: of the first tokens after a prompt, counted over many seeds.
    @Test func draftsDoNotChangeTheDistribution() throws {
        let network = try MadeUpDecoder.checkpoint(scale: 1).network()
        var kept = network.kept
        kept.widths = kept.widths.map { $0 / 4 }
        let narrow = Network(network.weights, keeping: kept)
        let prompt: [Int32] = [4, 8, 15]
        let runs = 1500
        func counts(_ draft: Draft, offset: Int) throws -> [Int32: Int] {
            let generator = try makeGenerator(network)
            var counts: [Int32: Int] = [:]
            for run in 0..<runs {
                var request = GenerationRequest(prompt: prompt, maximumNewTokens: 4)
                request.draft = draft
                (request.sampling.temperature, request.sampling.topK) = (0.8, 4)
                request.sampling.seed = UInt64(run + offset)
                // Later tokens are where a wrong rule would show: they follow guesses.
                counts[try generator.generate(request)[2], default: 0] += 1
            }
            return counts
        }
        let plain = try counts(.none, offset: 0)
        for (index, draft) in [Draft.submodel(narrow, tokens: 3), .promptLookup(match: 1, tokens: 3)].enumerated() {
            let drafted = try counts(draft, offset: 100_000 * (index + 1))
            var chiSquare = 0.0
            var bins = 0
            for token in Set(plain.keys).union(drafted.keys) {
                let (a, b) = (Double(plain[token] ?? 0), Double(drafted[token] ?? 0))
                if a + b < 20 { continue }
                chiSquare += (a - b) * (a - b) / (a + b)
                bins += 1
            }
            // Mean `bins - 1`, standard deviation `sqrt(2 (bins - 1))`: 5 of them.
            let freedom = Double(bins - 1)
            #expect(bins > 3)
            #expect(chiSquare < freedom + 5 * (2 * freedom).squareRoot(), "draft \(index): \(chiSquare), \(bins) bins")
        }
    }

    @Test func endings() throws {
        let network = try MadeUpDecoder.checkpoint(context: 40).network()
        let prompt = texts([30])[0]
        let generator = try makeGenerator(network)
        let whole = try generator.generate(GenerationRequest(prompt: prompt, maximumNewTokens: 100))
        #expect(whole.count == 11)
        var request = GenerationRequest(prompt: prompt, maximumNewTokens: 100)
        request.stopTokens = [whole[4], 1000]
        let first = whole.firstIndex(of: whole[4]) ?? 0
        #expect(try generator.generate(request) == Array(whole[...first]))
        request.minimumNewTokens = first + 2
        let later = try generator.generate(request)
        #expect(
            later.count > first + 1 && later[..<first] == whole[..<first] && !later[...(first + 1)].contains(whole[4]))
        request = GenerationRequest(prompt: prompt, maximumNewTokens: 1)
        #expect(try generator.generate(request) == [whole[0]])
        let id = try generator.add(GenerationRequest(prompt: prompt, maximumNewTokens: 9))
        _ = try generator.step()
        #expect(generator.cancel(id) && !generator.cancel(id) && generator.requests == 0)
        #expect(generator.decoder.pool.usedBytes == 0)
    }

    @Test func logProbabilitiesAreThoseOfTheModel() throws {
        let network = try MadeUpDecoder.checkpoint().network()
        let prompt = texts([12])[0]
        for draft in [Draft.none, .submodel(network, tokens: 3)] {
            let generator = try makeGenerator(network)
            var request = GenerationRequest(prompt: prompt, maximumNewTokens: 8)
            request.leadingLogProbabilities = 3
            request.sampling.repetitionPenalty = 1.5
            request.draft = draft
            _ = try generator.add(request)
            var tokens: [GeneratedToken] = []
            while generator.requests > 0 {
                for case (_, .token(let token)) in try generator.step() { tokens.append(token) }
            }
            let text = prompt + tokens.map(\.token)
            let expected = try Scorer.logProbabilities([text], by: generator.decoder)[0].suffix(8)
            for (token, expected) in zip(tokens, expected) {
                #expect(abs((token.logProbability ?? 1) - expected) < 1e-5)
                #expect(token.leading.count == 3)
                #expect(token.leading[0].logProbability >= token.leading[1].logProbability)
                #expect((token.logProbability ?? 1) <= token.leading[0].logProbability)
            }
        }
    }

    @Test func sharedPrefixesAreRunOnce() throws {
        let network = try MadeUpDecoder.checkpoint().network()
        let start = texts([200])[0]
        let requests = texts([5, 9], seed: 7).map { GenerationRequest(prompt: start + $0, maximumNewTokens: 30) }
        let alone = try requests.map { try makeGenerator(network).generate($0) }
        let generator = try makeGenerator(network)
        let first = try generator.add(requests[0])
        _ = try generator.step()
        let sequence = generator.sequence(of: first)
        let second = try generator.add(requests[1])
        let results = try generator.run()
        // The first step has given the first token already.
        #expect(results[first]?.tokens == Array(alone[0].dropFirst()))
        #expect(results[second]?.tokens == alone[1])
        #expect(generator.statistics.sharedTokens == 200)
        var third = requests[1]
        third.prefix = sequence
        #expect(try generator.generate(third) == alone[1])
        #expect(generator.statistics.sharedTokens == 400)
    }

    @Test func constraintsAreObeyed() throws {
        let network = try MadeUpDecoder.checkpoint().network()
        let heard = Heard()
        var request = GenerationRequest(prompt: [1, 2, 3], maximumNewTokens: 20)
        request.constraint = { (generated, scores) throws(Failure) in
            heard.numbers.append(generated.count)
            for index in scores.indices where index % 2 == generated.count % 2 { scores[index] = -.infinity }
        }
        let tokens = try makeGenerator(network).generate(request)
        #expect(heard.numbers == Array(0..<20))
        #expect(tokens.enumerated().allSatisfy { Int($1) % 2 != $0 % 2 })
        request.draft = .submodel(network, tokens: 4)
        #expect(try makeGenerator(network).generate(request) == tokens)
        request.constraint = { (_, _) throws(Failure) in throw Failure(.cancelled, "no more") }
        let generator = try makeGenerator(network)
        let id = try generator.add(request)
        guard case .failed(let failure) = try generator.run()[id]?.reason else {
            Issue.record("nothing was said")
            return
        }
        #expect(failure.kind == .cancelled)
    }

    @Test func scoresThatAreNotNumbersEndOneRequest() throws {
        var checkpoint = MadeUpDecoder.checkpoint()
        // Token 7 is nothing but NaN.
        for index in 7 * 24..<8 * 24 { checkpoint.tensors["tokens"]?.elements[index] = .nan }
        let generator = try makeGenerator(checkpoint.network())
        let bad = try generator.add(GenerationRequest(prompt: [1, 7], maximumNewTokens: 5))
        var request = GenerationRequest(prompt: [1, 2], maximumNewTokens: 5)
        request.sampling.logitBias = [7: -.infinity]
        let good = try generator.add(request)
        let results = try generator.run()
        #expect(results[good]?.tokens.count == 5)
        guard case .failed(let failure) = results[bad]?.reason else {
            Issue.record("NaN was not noticed")
            return
        }
        #expect(failure.kind == .corrupt)
    }

    @Test func refusals() throws {
        let network = try MadeUpDecoder.checkpoint(context: 40).network()
        let generator = try makeGenerator(network)
        func message(_ prompt: [Int32], _ change: (inout GenerationRequest) -> Void = { _ in }) -> String? {
            var request = GenerationRequest(prompt: prompt, maximumNewTokens: 5)
            change(&request)
            return failure { try generator.add(request) }?.message
        }
        #expect(message([])?.contains("empty") == true)
        #expect(message(texts([41])[0])?.contains("context is 40") == true)
        #expect(message([1, 61])?.contains("61 at position 1") == true)
        #expect(message([-1]) != nil)
        #expect(message([1]) { $0.maximumNewTokens = 0 } != nil)
        #expect(message([1]) { $0.leadingLogProbabilities = 62 } != nil)
        #expect(message([1]) { $0.leadingLogProbabilities = -1 } != nil)
        #expect(message([1]) { $0.draft = .promptLookup(match: 0, tokens: 1) } != nil)
        #expect(message([1]) { $0.draft = .promptLookup(match: 1, tokens: 0) } != nil)
        #expect(message([1]) { $0.draft = .submodel(network, tokens: 10_000) } != nil)
        #expect(message([1]) { $0.sampling.temperature = -1 } != nil)
        #expect(generator.requests == 0)
        let other = try MadeUpDecoder.checkpoint(seed: 8).network()
        #expect(message([1]) { $0.draft = .submodel(other, tokens: 2) } != nil)
    }

    @Test func aCancelledStepCanBeTriedAgain() throws {
        let network = try MadeUpDecoder.checkpoint().network()
        let prompt = texts([30])[0]
        var request = GenerationRequest(prompt: prompt, maximumNewTokens: 30)
        let expected = try makeGenerator(network).generate(request)
        request.draft = .submodel(network, tokens: 3)
        let generator = try makeGenerator(network)
        _ = try generator.add(request)
        var tokens: [Int32] = []
        let calls = Heard()
        while generator.requests > 0 {
            do {
                let events = try generator.step { (_, _, _) throws(Failure) in
                    calls.numbers.append(0)
                    if calls.numbers.count % 5 == 0 { throw Failure(.cancelled, "not now") }
                }
                for case (_, .token(let token)) in events { tokens.append(token.token) }
            } catch {
                #expect(error.kind == .cancelled)
            }
        }
        #expect(tokens == expected)
    }

    @Test func scoringAgreesWithTheWholeText() throws {
        let network = try MadeUpDecoder.checkpoint().network()
        let texts = texts([1, 2, 100, 700, 3])
        let found = try Scorer.logProbabilities(texts, by: makeDecoder(network), sliceTokens: 60)
        let whole = try network.runner().run(texts, .scores(.causalLM, unmerged: false))
        for (index, text) in texts.enumerated() {
            #expect(found[index].count == text.count - 1)
            for (position, value) in found[index].enumerated() {
                let row = whole[index][position * 61..<(position + 1) * 61].map(Double.init)
                let greatest = row.max() ?? 0
                let sum = row.reduce(0) { $0 + exp($1 - greatest) }
                #expect(abs(value - (row[Int(text[position + 1])] - greatest - log(sum))) < 1e-4)
            }
        }
        #expect(failure { try Scorer.logProbabilities([[1], []], by: makeDecoder(network)) }?.kind == .invalidArgument)
    }
}
