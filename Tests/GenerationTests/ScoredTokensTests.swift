import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingModels
import NestlingTestSupport
import NestlingTensors
import Testing

/// Of tokens that nobody scores, later ones need keys and values alone: what follows these in the last layer that has its own is
/// not computed.
@Suite struct ScoredTokensTests {
    static let fixtures = [
        "llama/causal-lm", "gpt_neox/causal-lm", "gpt_neox/sequential", "opt/causal-lm", "opt/post-norm",
        "gpt2/causal-lm",
        "gemma2/causal-lm", "gemma3n/causal-lm",
    ]

    /// Texts begun together with so many tokens scored, of each text others, and ended together with all scored, have the scores
    /// of the whole text.
    private func expectTheSameScores(_ decoder: Decoder, _ what: String) throws {
        let lengths = [45, 3, 30, 31], begun = [40, 2, 19, 1], scored = [2, 0, 1, 1]
        var random = SeededGenerator(4)
        let texts = lengths.map { (0..<$0).map { _ in Int32(random.next() % UInt64(decoder.vocabularySize)) } }
        let whole = try scores(decoder, texts, most: 1000, together: false)
        let sequences = texts.map { _ in decoder.makeSequence() }
        let size = decoder.vocabularySize
        func step(_ parts: [Decoder.Part]) throws -> [Float] {
            let count = parts.reduce(0) { $0 + $1.scored } * size
            // What lies behind the scores must stay as it is.
            var values = [Float](repeating: 7, count: count + size)
            try values.withUnsafeMutableBufferPointer { try decoder.step(parts, into: #require($0.baseAddress)) }
            #expect(values[count...].allSatisfy { $0 == 7 })
            return Array(values[..<count])
        }
        let first = try step(
            texts.indices.map { Decoder.Part(sequences[$0], texts[$0].prefix(begun[$0]), scored: scored[$0]) })
        let expected = texts.indices.map { whole[$0][(begun[$0] - scored[$0]) * size..<begun[$0] * size] }
        expectSameBits([first], [Array(expected.joined())], "\(what): some scored")
        #expect(sequences.map(\.tokens) == begun)
        let second = try step(
            texts.indices.map {
                Decoder.Part(sequences[$0], texts[$0][begun[$0]...], scored: lengths[$0] - begun[$0])
            })
        expectSameBits(
            [second], [Array(texts.indices.map { whole[$0][(begun[$0] * size)...] }.joined())], "\(what): the rest")
        // A step that scores nothing, and one that scores a token.
        let alone = decoder.makeSequence()
        #expect(try step([Decoder.Part(alone, texts[0].dropLast(), scored: 0)]).isEmpty)
        let last = try step([Decoder.Part(alone, texts[0].suffix(1), scored: 1)])
        expectSameBits([last], [Array(whole[0].suffix(size))], "\(what): none scored")
    }

    @Test(arguments: fixtures, CacheType.allCases) func everyShapeOfBlock(_ fixture: String, _ type: CacheType) throws {
        // int8 rounds the rows of products, each by its own scale.
        for codec in [Codec.float32, .int8] {
            let source = try DirectorySource(path: Fixtures.path(fixture))
            let network = try Network(loading: CheckpointDescription(source), as: codec, progress: nil)
            guard network.weights.architecture.heads[.causalLM] != nil else { continue }
            try expectTheSameScores(makeDecoder(network, type), "\(fixture) \(codec) \(type)")
        }
    }

    /// What stands before attention runs for all tokens.
    @Test func channelsBeforeAttention() throws {
        for isFirst in [false, true] {
            let network = try MadeUpDecoder.checkpoint(channelsFirst: isFirst).network()
            try expectTheSameScores(makeDecoder(network), "channels first: \(isFirst)")
        }
    }

    /// The rows that are left are what they would have become, and the others are not touched.
    @Test func otherRowsStayAsTheyAre() throws {
        let network = try MadeUpDecoder.checkpoint().network()
        let block = try #require(network.blocks.first)
        let pool = CachePagePool(limit: 0)
        let layout = try CacheLayout(network.blocks, type: .float32)
        let ids: [Int32] = Array(repeating: 1, count: 12)
        func rows(only counts: [Int]?) throws -> (before: [Float], after: [Float], left: Int) {
            let context = ForwardContext(threads: 1, memoryLimit: 0)
            let sequences = [5, 7].map { (length: $0, cached: CachedSequence(layout, pool, plannedTokens: 0)) }
            for sequence in sequences { try sequence.cached.reserve(sequence.length) }
            try context.workspace.reserve(floats: 1 << 16)
            let stream = try context.workspace.take(12, block.hiddenSize)
            var random = SeededGenerator(2)
            for index in 0..<12 * block.hiddenSize { stream.pointer[index] = random.normal(1) }
            func values() -> [Float] {
                Array(UnsafeBufferPointer(start: stream.pointer, count: 12 * block.hiddenSize))
            }
            let before = values()
            return try ids.withUnsafeBufferPointer { ids in
                let input = EmbeddingInput.tokens(ids: ids, types: UnsafeBufferPointer(start: nil, count: 0))
                context.begin(input, offsets: [0, 5, 12], cached: sequences.map(\.cached))
                if let counts {
                    let last = KeptRows.last(counts, ids: UnsafeBufferPointer(rebasing: ids[..<counts.reduce(0, +)]))
                    let left = try block.run(stream, only: last, context).rows
                    return (before, values(), left)
                }
                _ = try block.run(stream, context) { rows throws(Failure) in
                    for sublayer in block.sublayers { try sublayer.apply(rows, context) }
                    return rows
                }
                return (before, values(), 12)
            }
        }
        let size = block.hiddenSize
        let all = try rows(only: nil).after
        for (counts, kept) in [([2, 0], [3, 4]), ([0, 0], []), ([1, 2], [4, 10, 11]), ([5, 7], Array(0..<12))] {
            let found = try rows(only: counts)
            #expect(found.left == kept.count)
            let expected = kept.map { Array(all[$0 * size..<($0 + 1) * size]) }
            let left = kept.indices.map { Array(found.after[$0 * size..<($0 + 1) * size]) }
            expectSameBits(left, expected, "\(counts)")
            expectSameBits(
                [Array(found.after[(kept.count * size)...])], [Array(found.before[(kept.count * size)...])],
                "\(counts): others")
        }
    }
}
