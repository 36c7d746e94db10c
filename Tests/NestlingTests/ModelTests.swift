import Nestling
import NestlingTestSupport
import Testing

/// The Swift library as its users meet it, on a checkpoint of sentence-transformers and on one without a tokenizer.
@Suite struct ModelTests {
    private static let directory = "sentence-transformers/dense"

    private static func texts() throws -> [String] {
        let source = try DirectorySource(path: Fixtures.path(directory))
        return try #require(try source.json("texts.json")?.array).compactMap(\.string)
    }

    /// sentence-transformers computed the goldens in float64; its own float32 is within 2e-5 of them.
    @Test(arguments: [
        ("vectors", Prompt.standard), ("vectors.query", .named("query")), ("vectors.no_prompt", .text("")),
    ])
    func vectorsOfTextsAgree(_ name: String, _ prompt: Prompt) throws {
        let model = try Model(path: Fixtures.path(Self.directory))
        let golden = try #require(try Golden(Self.directory).floats(name))
        let vectors = try Session(model).encode(Self.texts(), prompt: prompt)
        #expect(vectors.joined().count == golden.count)
        for (found, expected) in zip(vectors.joined(), golden) { #expect(abs(found - expected) <= 2e-5) }
    }

    @Test func submodelsShareTheirModel() throws {
        let model = try Model(path: Fixtures.path(Self.directory))
        let small = try model.submodel(ffn: .ratio(0.5), outputDimensions: 3)
        #expect(small.network.weights === model.network.weights)
        #expect(small.ffnWidths == model.ffnWidths.map { ($0 + 1) / 2 })
        #expect(try Session(small).encode(["a bird"])[0].count == 3)
        let whole = try model.submodel(ffn: .ratio(1))
        #expect(try Session(whole).encode(["a bird"]) == Session(model).encode(["a bird"]))
    }

    @Test func aCheckpointWithoutTokenizerWorksWithIds() throws {
        let model = try Model(path: Fixtures.path("bert/base"))
        let session = Session(model)
        let batch = TokenBatch([[5, 6, 7], [8]])
        #expect(try session.encode(batch).map(\.count) == [model.outputDimensions, model.outputDimensions])
        #expect(try session.hiddenStates(batch, layer: 0).offsets == [0, 3, 4])
        let error = try #require(throws: NestlingError.self) { try session.encode(["a text"]) }
        #expect(error.kind == .notFound && error.message.contains("tokenizer"))
    }

    @Test func failuresNameTheirCulprit() throws {
        let missing = try #require(throws: NestlingError.self) { try Model(path: "/nowhere/at/all") }
        #expect(missing.kind == .notFound && missing.message.contains("/nowhere/at/all"))
        let model = try Model(path: Fixtures.path(Self.directory))
        let prompt = try #require(throws: NestlingError.self) {
            try Session(model).encode(["a"], prompt: .named("nobody's"))
        }
        #expect(prompt.kind == .notFound && prompt.message.contains("nobody's"))
        let head = try #require(throws: NestlingError.self) {
            try Session(model).logits(TokenBatch([[1]]), head: .maskedLM)
        }
        #expect(head.kind == .notFound && head.message.contains("masked_lm"))
    }

    @Test func mergedTokensTellWhereTheyWent() throws {
        let model = try Model(path: Fixtures.path("bert/base"))
        let session = Session(model)
        let batch = TokenBatch([[1, 5, 6, 7, 8, 9, 10, 2]])
        let reducer = try Reducers.reducer(json: #"{"method": "tome", "r": 1}"#)
        let states = try session.hiddenStates(batch, reduction: reducer)
        #expect(states.offsets == [0, 8 - model.layers])
        let map = try session.tokenMap()
        #expect(map.count == 8 && map.first == 0 && map.last == Int32(7 - model.layers))
    }
}

/// Tokenizers from the files that checkpoints carry.
@Suite struct TokenizerFilesTests {
    private static let vocabulary = #"{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "ab": 6}"#
    private static let merges = "#version: 0.2\na b\n"

    @Test func vocabularyAndMergesAreFound() throws {
        try Self.vocabulary.utf8.withContiguousStorageIfAvailable { vocabulary in
            try Self.merges.utf8.withContiguousStorageIfAvailable { merges in
                let source = MemorySource(files: [
                    ("vocab.json", UnsafeRawBufferPointer(vocabulary)), ("merges.txt", UnsafeRawBufferPointer(merges)),
                ])
                let tokenizer = try #require(try Tokenizer(in: source))
                #expect(tokenizer.id(of: "ab") == 6)
                #expect(try tokenizer.encode("ab", addSpecialTokens: false).ids == [6])
            }
        }
    }

    @Test func nothingIsNoTokenizer() throws {
        #expect(try Tokenizer(in: MemorySource(files: [])) == nil)
        let error = try #require(throws: NestlingError.self) { try Tokenizer(path: Fixtures.path("bert/base")) }
        #expect(error.kind == .notFound && error.message.contains("merges.txt"))
    }
}
