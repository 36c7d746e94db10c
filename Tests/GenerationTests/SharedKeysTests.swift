import NestlingBasics
import NestlingBlocks
import NestlingElastic
import NestlingModels
import NestlingTestSupport
import Testing

/// Gemma 3n step by step: its last layers keep nothing, and read what earlier ones of their type have kept.
@Suite struct SharedKeysTests {
    /// The base checkpoint with a language model's head, in which three of six layers share keys and every other one sees 5 tokens.
    static func checkpoint() throws -> TinyCheckpoint {
        var checkpoint = try TinyCheckpoint(fixture: "gemma3n/base")
        let config = try #require(checkpoint.files["config.json"])
        checkpoint.files["config.json"] =
            config.replacing("Gemma3nTextModel", with: "Gemma3nForCausalLM")
            .replacing("\"max_position_embeddings\": 80", with: "\"max_position_embeddings\": 4096")
        return checkpoint
    }

    private func texts(_ lengths: [Int]) -> [[Int32]] {
        var random = SeededGenerator(9)
        return lengths.map { length in (0..<length).map { _ in Int32(random.next() % 61) } }
    }

    @Test func layersThatTakeKeysKeepNothing() throws {
        let network = try Self.checkpoint().network()
        #expect(network.blocks.flatMap(\.sharings).count == 5)
        let layout = try CacheLayout(network.blocks, type: .float32)
        #expect(layout.layers.count == 3)
        #expect(layout.layers.map(\.radius) == [4, nil, 4])
    }

    @Test(arguments: CacheType.allCases) func stepsAgreeWithTheWholeText(type: CacheType) throws {
        let network = try Self.checkpoint().network()
        let texts = texts([1, 5, 64, 65, 130, 401])
        let whole = try network.runner().run(texts, .scores(.causalLM, unmerged: false))
        let decoder = try makeDecoder(network, type)
        let alone = try scores(decoder, texts, most: 1000, together: false)
        for (index, text) in texts.enumerated() {
            let error = Agreement.relativeError(alone[index], whole[index])
            #expect(error < (type == .float32 ? 2e-5 : 0.06), "text of \(text.count): \(error)")
        }
        for (seed, most) in [(UInt64(1), 1), (2, 7), (3, 100)] {
            let found = try scores(decoder, texts, most: most, seed: seed)
            for index in texts.indices { expectSameBits([found[index]], [alone[index]], "slices of \(most)") }
        }
    }

    /// Only the tokens that are scored run in the last layers, with the same bits.
    @Test func onlyScoredTokensRunInLayersThatKeepNothing() throws {
        let network = try Self.checkpoint().network()
        let decoder = try makeDecoder(network)
        let texts = texts([70, 3, 19, 40])
        let all = try scores(decoder, texts, most: 1000, together: false)
        let size = decoder.vocabularySize
        let scored = [2, 0, 1, 40]
        func step(_ scored: [Int]) throws -> (scores: [Float], layers: Int) {
            let parts = zip(texts, scored).map { Decoder.Part(decoder.makeSequence(), $0[...], scored: $1) }
            var values = [Float](repeating: .nan, count: scored.reduce(0, +) * size + 1)
            var layers = 0
            try values.withUnsafeMutableBufferPointer { values in
                let base = try #require(values.baseAddress)
                try decoder.step(parts, into: base) { _, _, _ in layers += 1 }
            }
            return (values.dropLast(), layers)
        }
        let some = try step(scored)
        #expect(some.layers == 6)
        let expected = zip(all, scored).flatMap { $0.suffix($1 * size) }
        expectSameBits([some.scores], [expected], "some scored")
        #expect(try step([0, 0, 0, 0]).layers == 3)
    }

    @Test func submodelsDraftOnTheSameSequence() throws {
        let network = try Self.checkpoint().network()
        let decoder = try makeDecoder(network)
        var spec = SubmodelSpec()
        spec.layers = [0, 1, 2, 3, 4]
        spec.widths = .ratio(0.5)
        let draft = try network.submodel(spec)
        let text = texts([90])[0]
        let sequence = decoder.makeSequence()
        var values = [Float](repeating: .nan, count: text.count * decoder.vocabularySize)
        try values.withUnsafeMutableBufferPointer { values in
            let base = try #require(values.baseAddress)
            try decoder.step([Decoder.Part(sequence, text[...], scored: text.count)], by: draft, into: base)
        }
        let whole = try draft.runner().run([text], .scores(.causalLM, unmerged: false))
        #expect(Agreement.relativeError(values, whole[0]) < 2e-5)
    }
}
