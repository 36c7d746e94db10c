import NestlingBasics
import NestlingBlocks
import NestlingModels
import NestlingTestSupport
import Testing

/// Runs all sequences in steps of random slices and gives the scores of every token.
func scores(
    _ decoder: Decoder, _ texts: [[Int32]], most: Int, seed: UInt64 = 1, together: Bool = true
) throws -> [[Float]] {
    var random = SeededGenerator(seed)
    let sequences = texts.map { _ in decoder.makeSequence() }
    var results = texts.map { _ in [Float]() }
    while sequences.indices.contains(where: { sequences[$0].tokens < texts[$0].count }) {
        var parts: [Decoder.Part] = []
        var chosen: [Int] = []
        for index in sequences.indices {
            let left = texts[index].count - sequences[index].tokens
            if left == 0 || (!together && !chosen.isEmpty) || (together && random.next() % 3 == 0) { continue }
            let count = min(left, Int(random.next() % UInt64(most)) + 1)
            let first = sequences[index].tokens
            parts.append(Decoder.Part(sequences[index], texts[index][first..<first + count], scored: count))
            chosen.append(index)
        }
        let rows = parts.reduce(0) { $0 + $1.scored }
        var values = [Float](repeating: .nan, count: rows * decoder.vocabularySize)
        try values.withUnsafeMutableBufferPointer { values in
            if let base = values.baseAddress { try decoder.step(parts, into: base) }
        }
        var row = 0
        for (index, part) in zip(chosen, parts) {
            results[index] += values[row * decoder.vocabularySize..<(row + part.scored) * decoder.vocabularySize]
            row += part.scored
        }
    }
    return results
}

/// Texts of these lengths.
func texts(_ lengths: [Int], seed: UInt64 = 3) -> [[Int32]] {
    var random = SeededGenerator(seed)
    return lengths.map { length in (0..<length).map { _ in Int32(random.next() % UInt64(MadeUpDecoder.vocabulary)) } }
}

func makeDecoder(
    _ network: Network, _ type: CacheType = .float32, cacheLimit: Int = 0
) throws -> Decoder {
    try Decoder(network, cacheType: type, threads: 0, memoryLimit: 0, cacheLimit: cacheLimit)
}

private func relativeError(_ found: [Float], _ expected: [Float]) -> Double {
    var (error, size) = (0.0, 0.0)
    for (a, b) in zip(found, expected) {
        error += Double(a - b) * Double(a - b)
        size += Double(b) * Double(b)
    }
    return found.count == expected.count ? (error / size).squareRoot() : .infinity
}

@Suite struct DecoderTests {
    /// The whole text at once, without a cache, is what families are tested with.
    @Test func stepsAgreeWithTheWholeText() throws {
        let network = try MadeUpDecoder.checkpoint().network()
        let texts = texts([1, 5, 64, 65, 130, 333])
        let whole = try network.runner().run(texts, .scores(.causalLM, unmerged: false))
        for (type, tolerance) in [(CacheType.float32, 1e-5), (.bfloat16, 0.02), (.int8, 0.03)] {
            let decoder = try makeDecoder(network, type)
            let found = try scores(decoder, texts, most: 40)
            for (index, text) in texts.enumerated() {
                let error = relativeError(found[index], whole[index])
                #expect(error < tolerance, "\(type), text of \(text.count): \(error)")
            }
        }
    }

    @Test(arguments: CacheType.allCases) func anySlicesAnyBatchSameBits(type: CacheType) throws {
        let decoder = try makeDecoder(MadeUpDecoder.checkpoint().network(), type)
        let texts = texts([1, 5, 64, 65, 130, 200])
        let alone = try scores(decoder, texts, most: 1000, together: false)
        for (seed, most) in [(UInt64(1), 1), (2, 7), (3, 64), (4, 300)] {
            let found = try scores(decoder, texts, most: most, seed: seed)
            for index in texts.indices {
                #expect(
                    found[index].map(\.bitPattern) == alone[index].map(\.bitPattern), "text \(index), slices of \(most)"
                )
            }
        }
    }

    private func append(_ decoder: Decoder, _ sequence: CachedSequence, _ tokens: [Int32]) throws -> [UInt32] {
        var values = [Float](repeating: 0, count: tokens.count * decoder.vocabularySize)
        try values.withUnsafeMutableBufferPointer { values in
            if let base = values.baseAddress {
                try decoder.step([Decoder.Part(sequence, tokens[...], scored: tokens.count)], into: base)
            }
        }
        return values.map(\.bitPattern)
    }

    @Test(arguments: CacheType.allCases) func forksShareWhatTheyHaveAndNothingElse(type: CacheType) throws {
        let decoder = try makeDecoder(MadeUpDecoder.checkpoint().network(), type)
        let start = texts([100])[0], first = texts([40], seed: 8)[0], second = texts([40], seed: 9)[0]
        let sequence = decoder.makeSequence()
        _ = try append(decoder, sequence, start)
        let used = decoder.pool.usedBytes
        let fork = sequence.fork()
        #expect(decoder.pool.usedBytes == used)
        let one = try append(decoder, sequence, first), other = try append(decoder, fork, second)
        for (text, found) in [(start + first, one), (start + second, other)] {
            let alone = try append(decoder, decoder.makeSequence(), text)
            #expect(Array(alone.suffix(found.count)) == found)
        }
        #expect(fork.ids == start + second)
    }

    @Test(arguments: CacheType.allCases) func whatIsCutOffIsForgotten(type: CacheType) throws {
        let decoder = try makeDecoder(MadeUpDecoder.checkpoint().network(), type)
        let start = texts([130])[0], other = texts([70], seed: 8)[0]
        let sequence = decoder.makeSequence()
        _ = try append(decoder, sequence, start)
        try sequence.truncate(to: 90)
        let found = try append(decoder, sequence, other)
        let alone = try append(decoder, decoder.makeSequence(), start.prefix(90) + other)
        #expect(Array(alone.suffix(found.count)) == found)
        #expect(failure { try sequence.truncate(to: 161) }?.kind == .invalidArgument)
        try sequence.truncate(to: 0)
        #expect(decoder.pool.usedBytes == 0)
    }

    /// The second block sees 70 tokens back; pages before that, and some to spare, are given back.
    @Test func windowsLetGo() throws {
        let decoder = try makeDecoder(MadeUpDecoder.checkpoint().network())
        let sequence = decoder.makeSequence()
        let text = texts([1500])[0]
        var largest = 0
        for first in stride(from: 0, to: text.count, by: 50) {
            _ = try append(decoder, sequence, Array(text[first..<first + 50]))
            largest = max(largest, sequence.bytes - 24 * decoder.layout.pageBytes(0))
        }
        #expect(sequence.bytes < 34 * decoder.layout.pageBytes(0))
        #expect(failure { try sequence.truncate(to: 100) }?.kind == .invalidArgument)
        try sequence.truncate(to: 1400)
        let found = try append(decoder, sequence, Array(text[1400...]))
        let alone = try append(decoder, decoder.makeSequence(), text)
        #expect(Array(alone.suffix(found.count)) == found)
    }

    @Test(arguments: CacheType.allCases) func savedSequencesGoOn(type: CacheType) throws {
        let decoder = try makeDecoder(MadeUpDecoder.checkpoint().network(), type)
        for length in [0, 1, 64, 100, 700] {
            let sequence = decoder.makeSequence()
            if length > 0 { _ = try append(decoder, sequence, texts([length])[0]) }
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: sequence.savedBytes, alignment: 1)
            defer { memory.deallocate() }
            guard let base = memory.baseAddress else { return }
            sequence.save(to: base)
            let pageBytes = sequence.bytes
            let saved = UnsafeRawBufferPointer(memory)
            let restored = try CachedSequence(restoring: saved, decoder.layout, decoder.pool)
            #expect(restored.ids == sequence.ids)
            let next = texts([30], seed: 4)[0]
            #expect(try append(decoder, restored, next) == append(decoder, sequence, next))
            // Cut anywhere, or with more behind it, it is refused.
            for count in stride(from: 0, to: saved.count, by: max(1, saved.count / 60)) {
                let cut = UnsafeRawBufferPointer(rebasing: saved[..<count])
                #expect(failure { try CachedSequence(restoring: cut, decoder.layout, decoder.pool) }?.kind == .corrupt)
            }
            // A token id that is none: the ids are what stands before the pages.
            if length > 0 {
                let place = saved.count - pageBytes - 1
                memory[place] = 1
                let failure = failure { try CachedSequence(restoring: saved, decoder.layout, decoder.pool) }
                #expect(failure?.kind == .corrupt && failure?.message.hasSuffix("as token \(length - 1)") == true)
                memory[place] = 0
            }
            // Numbers of the header changed: refused, or another sequence, but never a crash.
            var random = SeededGenerator(7)
            for _ in 0..<300 {
                let place = Int(random.next() % UInt64(min(saved.count, 200)))
                let kept = memory[place]
                memory[place] = UInt8(truncatingIfNeeded: random.next())
                _ = try? CachedSequence(restoring: saved, decoder.layout, decoder.pool)
                memory[place] = kept
            }
        }
        let other = try Decoder(
            decoder.network, cacheType: type == .int8 ? .float32 : .int8, threads: 0, memoryLimit: 0, cacheLimit: 0)
        let sequence = decoder.makeSequence()
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: sequence.savedBytes, alignment: 8)
        defer { memory.deallocate() }
        if let base = memory.baseAddress { sequence.save(to: base) }
        #expect(
            failure { try CachedSequence(restoring: UnsafeRawBufferPointer(memory), other.layout, other.pool) }?.kind
                == .corrupt)
    }

    @Test func refusals() throws {
        let decoder = try makeDecoder(MadeUpDecoder.checkpoint(context: 50).network(), cacheLimit: 1 << 20)
        let sequence = decoder.makeSequence()
        let tokens = texts([50])[0]
        #expect(failure { try append(decoder, sequence, [0, 61]) }?.message.contains("61 at position 1") == true)
        #expect(failure { try append(decoder, sequence, [-1]) }?.kind == .invalidArgument)
        #expect(failure { try append(decoder, sequence, []) }?.kind == .invalidArgument)
        #expect(failure { try append(decoder, sequence, tokens + [1]) }?.message.contains("context is 50") == true)
        #expect(sequence.tokens == 0)
        _ = try append(decoder, sequence, tokens)
        #expect(failure { try append(decoder, sequence, [1]) }?.kind == .invalidArgument)
        var values = [Float](repeating: 0, count: 200)
        #expect(
            failure {
                try decoder.step([.init(sequence, [1], scored: 0), .init(sequence, [1], scored: 0)], into: &values)
            }?.kind == .invalidArgument)
        let narrow = try Decoder(decoder.network, cacheType: .float32, threads: 0, memoryLimit: 0, cacheLimit: 10_000)
        let starved = narrow.makeSequence()
        #expect(failure { try append(narrow, starved, [1]) }?.kind == .outOfMemory)
        #expect(starved.tokens == 0)
        #expect(failure { try makeDecoder(MadeUpNetwork.checkpoint().network()) }?.kind == .notFound)
    }

    /// A step that is stopped leaves its sequences as they were.
    @Test func cancellation() throws {
        let decoder = try makeDecoder(MadeUpDecoder.checkpoint().network())
        let sequence = decoder.makeSequence()
        let start = texts([70])[0], next = texts([20], seed: 4)[0]
        _ = try append(decoder, sequence, start)
        var values = [Float](repeating: 0, count: 20 * decoder.vocabularySize)
        #expect(
            failure {
                try decoder.step([.init(sequence, next[...], scored: 20)], into: &values) {
                    (_, done, _) throws(Failure) in
                    if done == 1 { throw Failure(.cancelled, "enough") }
                }
            }?.kind == .cancelled)
        #expect(sequence.tokens == 70)
        let found = try append(decoder, sequence, next)
        #expect(Array(try append(decoder, decoder.makeSequence(), start + next).suffix(found.count)) == found)
    }
}
