import Nestling
import NestlingTestSupport
import Testing

/// GGUF files as users meet them: opened by path and from memory, saved as checkpoints and packed, their tokenizers beside those
/// that they were made of.
@Suite struct GGUFTests {
    private static let models = ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "gemma3n", "quantized"]
    private static let batch = TokenBatch([[1, 5, 6, 7, 8, 9, 10, 2], [3]])

    private static func path(_ name: String) -> String { Fixtures.path("gguf/\(name).gguf") }

    private static func logits(_ model: Model) throws -> [Float] {
        Array(try Session(model).logits(batch, head: .causalLM).values)
    }

    /// What is saved is an ordinary checkpoint, and gives the same bits.
    @Test(arguments: models) func savedOnesAreCheckpoints(_ name: String) throws {
        let model = try Model(path: Self.path(name))
        let logits = try Self.logits(model)
        let directory = try TemporaryDirectory()
        try model.save(to: directory.file("whole"))
        let whole = try DirectorySource(path: directory.file("whole"))
        #expect(whole.contains("config.json") && !whole.contains("nestling.json"))
        #expect(try Self.logits(Model(path: directory.file("whole"))) == logits)
        let small = try model.submodel(ffn: .ratio(0.5))
        try small.save(to: directory.file("small"))
        #expect(try Self.logits(Model(path: directory.file("small"))) == Self.logits(small))
    }

    @Test(arguments: models) func packedOnesGiveTheSameBits(_ name: String) throws {
        let directory = try TemporaryDirectory()
        for dtype in Codec.allCases {
            let model = try Model(path: Self.path(name), dtype: dtype)
            try model.save(to: directory.file(dtype.rawValue), packed: true)
            let packed = try Model(path: directory.file(dtype.rawValue))
            #expect(packed.dtype == dtype)
            #expect(try Self.logits(packed) == Self.logits(model), "\(name) \(dtype)")
        }
    }

    @Test func filesInMemoryAreModels() throws {
        let source = try DirectorySource(path: Fixtures.path("gguf"), map: false)
        let file = try #require(try source.file("quantized.gguf"))
        let model = try Model(files: [("any.gguf", file.bytes)])
        #expect(try Self.logits(model) == Self.logits(Model(path: Self.path("quantized"))))
        withExtendedLifetime(file) {}
    }

    @Test func checksNameWhatIsWrong() throws {
        #expect(try CheckReport(path: Self.path("quantized"), values: true).problems == [])
        let directory = try TemporaryDirectory()
        try TemporaryDirectory.write("GGUF and nothing else", to: directory.file("a.gguf"))
        let report = try CheckReport(path: directory.file("a.gguf"), values: false)
        #expect(report.problems.count == 1 && report.problems[0].contains("a.gguf"))
    }

    /// Whatever a byte of the header says of the network, there is a model or a failure of one line.
    @Test func changedHeadersAreModelsOrFailures() throws {
        let source = try DirectorySource(path: Fixtures.path("gguf"), map: false)
        let file = try #require(try source.file("gemma3n.gguf"))
        var bytes = Array(file.bytes)
        let first = try #require(GGUF(file: file).tensors.map(\.range.lowerBound).min())
        var failures = 0
        for offset in stride(from: 24, to: first, by: 11) {
            let old = bytes[offset]
            bytes[offset] ^= [0x01, 0x10, 0xFF, 0x80][offset % 4]
            bytes.withUnsafeBytes { changed in
                do throws(Failure) {
                    _ = try Model(files: [("changed.gguf", changed)])
                } catch {
                    failures += 1
                    #expect(!error.message.isEmpty && !error.message.contains("\n"), "byte \(offset)")
                    #expect(error.kind != .internal, "byte \(offset)")
                }
            }
            bytes[offset] = old
        }
        #expect(failures > 100)
    }

    // MARK: - Tokenizers

    private static let fixtures = Fixtures.path("../TokenizersTests/Fixtures")

    /// The texts of the cases of the tokenizer `name`.
    private static func texts(_ name: String) throws -> [String] {
        let source = try DirectorySource(path: fixtures)
        let file = try #require(try source.file("\(name).jsonl"))
        var texts: [String] = []
        for line in file.bytes.split(separator: 0x0A).dropFirst() {
            let json = try JSON.parse(UnsafeRawBufferPointer(rebasing: line), name: name)
            if let text = json["text"]?.string { texts.append(text) }
        }
        return texts
    }

    private static func compare(_ name: String, _ found: Tokenizer, _ expected: Tokenizer, _ texts: [String]) throws {
        #expect(texts.count > 10)
        for text in texts {
            let ids = try expected.encode(text).ids
            #expect(try found.encode(text).ids == ids, "\(name): \(text.quoted)")
            for skipsSpecial in [false, true] {
                let text = try expected.decode(ids, skipSpecialTokens: skipsSpecial)
                #expect(try found.decode(ids, skipSpecialTokens: skipsSpecial) == text)
            }
        }
    }

    @Test(arguments: ["llama3", "qwen", "gpt2"]) func bytePairsAreThoseOfTheFile(_ name: String) throws {
        let found = try Tokenizer(path: Self.path("tokenizer-\(name)"))
        try Self.compare(name, found, Tokenizer(path: "\(Self.fixtures)/\(name).json"), Self.texts(name))
    }

    @Test(arguments: [("llama", "LlamaTokenizer"), ("gemma", "GemmaTokenizer")])
    func piecesAreThoseOfTheFile(_ name: String, _ className: String) throws {
        let source = try DirectorySource(path: Self.fixtures)
        let file = try #require(try source.file("sentencepiece_\(name).model"))
        let settings: JSON = [
            "tokenizer_class": .string(className), "add_bos_token": true, "add_eos_token": false,
        ]
        let expected = try Tokenizer(sentencePiece: file.bytes, name: name, settings: settings.object)
        let found = try Tokenizer(path: Self.path("tokenizer-\(name)"))
        try Self.compare(name, found, expected, Self.texts("sentencepiece_\(name)"))
    }

    @Test func settingsAreThere() throws {
        let source = try CheckpointPath.open(Self.path("tokenizer-llama3"))
        let settings = try #require(try source.fields("tokenizer_config.json"))
        #expect(try settings.string("chat_template") == "{{ messages }}")
        #expect(try settings.string("bos_token") == "<|begin_of_text|>")
        // The one that the metadata name, and those that are known to end a turn.
        #expect(try source.fields("config.json")?.integers("eos_token_id", in: 0...1000) == [423, 421])
        let model = try Model(path: Self.path("tokenizer-llama3"))
        #expect(try model.tokenize(prompt: "Hello") == [420, 397])
    }
}
