import NestlingBasics
import NestlingCheckpoints
import Testing

/// GGUF files: what is in them, and what must not be believed.
@Suite struct GGUFTests {
    private func source(_ bytes: [UInt8]) throws -> GGUFSource {
        try GGUFSource(file: file(bytes, name: "model.gguf"), path: "model.gguf")
    }

    private func trouble(_ contents: GGUFFile) -> Failure? { trouble(contents.bytes) }

    private func trouble(_ bytes: [UInt8]) -> Failure? { failure { _ = try source(bytes) } }

    @Test func aWholeFileIsACheckpoint() throws {
        for version: UInt32 in [2, 3] {
            var contents = GGUFFile.llama
            contents.version = version
            let checkpoint = try Checkpoint(source: source(contents.bytes))
            #expect(checkpoint.count == 11)
            #expect(checkpoint["model.embed_tokens.weight"]?.shape == [2, 4])
            #expect(checkpoint["model.layers.0.mlp.down_proj.weight"]?.shape == [4, 3])
            #expect(checkpoint["model.layers.0.self_attn.k_proj.weight"]?.rowOrder != nil)
            #expect(checkpoint["model.layers.0.self_attn.v_proj.weight"]?.rowOrder == nil)
        }
    }

    @Test func alignmentIsTheFiles() throws {
        var contents = GGUFFile.llama.setting("general.alignment", .uint32(128))
        contents.alignment = 128
        #expect(try Checkpoint(source: source(contents.bytes)).count == 11)
        #expect(trouble(contents.setting("general.alignment", .uint32(48)))?.kind == .corrupt)
        #expect(trouble(contents.setting("general.alignment", .uint32(0)))?.kind == .corrupt)
        #expect(trouble(contents.setting("general.alignment", .uint32(256)))?.kind == .corrupt)
        #expect(trouble(contents.setting("general.alignment", .string("32")))?.kind == .corrupt)
    }

    /// Wherever the file ends, that is said, and never read past.
    @Test func everyCutIsNoticed() throws {
        let bytes = GGUFFile.llama.setting("tokenizer.ggml.tokens", .strings(["a", "b"])).bytes
        _ = try source(bytes)
        // What fills up the last tensor may be missing.
        for end in 0...bytes.count - 32 {
            let failure = try #require(trouble(Array(bytes[..<end])), "\(end) bytes")
            #expect(failure.kind == .corrupt && failure.message.contains("model.gguf"))
        }
    }

    @Test func wrongBeginningsAreNamed() {
        var contents = GGUFFile.llama
        contents.magic = Array("GGML".utf8)
        #expect(trouble(contents)?.message == "model.gguf: is no GGUF file: it does not begin with GGUF")
        contents = .llama
        contents.version = 1
        #expect(trouble(contents)?.kind == .unsupported)
        contents.version = 3 << 24
        #expect(trouble(contents)?.message.contains("big-endian") == true)
        let part = trouble(GGUFFile.llama.setting("split.count", .uint32(3)))
        #expect(part?.kind == .unsupported && part?.message.contains("split.count") == true)
        #expect(trouble(GGUFFile.llama.setting("split.count", .uint32(1))) == nil)
    }

    @Test func countsAreNotBelieved() {
        for count: UInt64 in [12, 1 << 20, 1 << 40, UInt64(Int.max), .max] {
            var contents = GGUFFile.llama
            contents.tensorCount = count
            #expect(trouble(contents)?.kind == .corrupt)
            contents = .llama
            contents.valueCount = count
            #expect(trouble(contents)?.kind == .corrupt)
            func array(_ type: UInt8) -> GGUFFile.Value {
                .raw(type: 9, [type, 0, 0, 0] + (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) })
            }
            for type: UInt8 in [0, 4, 8, 9, 10] {
                var contents = GGUFFile()
                contents.values = [("key", array(type))]
                #expect(trouble(contents)?.kind == .corrupt, "\(count) of type \(type)")
            }
        }
    }

    @Test func valuesAreOfKnownTypes() {
        #expect(trouble(GGUFFile.llama.setting("x", .raw(type: 13, [0])))?.kind == .corrupt)
        let deep = [UInt8]((0..<20).flatMap { _ in [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0] })
        #expect(trouble(GGUFFile.llama.setting("x", .raw(type: 9, deep)))?.kind == .unsupported)
        var twice = GGUFFile.llama
        twice.values.append(("llama.block_count", .uint32(2)))
        #expect(trouble(twice)?.message.contains("\"llama.block_count\" is there twice") == true)
        #expect(trouble(GGUFFile.llama.setting("a\nb", .uint32(0)))?.kind == .corrupt)
    }

    @Test func tensorsLieInsideTheFileAndApart() {
        func changed(_ index: Int, _ change: (inout GGUFFile.Entry) -> Void) -> Failure? {
            var contents = GGUFFile.llama
            change(&contents.tensors[index])
            return trouble(contents)
        }
        #expect(changed(1) { $0.offset = 0 }?.message.contains("inside of \"output_norm.weight\"") == true)
        #expect(changed(1) { $0.offset = 33 }?.message.contains("no multiple of 32") == true)
        #expect(changed(1) { $0.offset = 1 << 20 }?.message.contains("ends at byte") == true)
        #expect(changed(1) { $0.offset = UInt64(Int.max) & ~31 }?.kind == .corrupt)
        #expect(changed(1) { $0.offset = .max }?.kind == .corrupt)
        #expect(changed(1) { $0.dimensions = [] }?.message.contains("has 0 dimensions") == true)
        #expect(changed(1) { $0.dimensions = [1, 1, 1, 1, 4] }?.message.contains("has 5 dimensions") == true)
        #expect(changed(1) { $0.dimensions = [1 << 32, 1 << 32] }?.kind == .corrupt)
        #expect(changed(1) { $0.dimensions = [0, 1 << 63 - 1] }?.kind != .internal)
        #expect(changed(1) { $0.name = "token_embd.weight" }?.message.contains("is there twice") == true)
        #expect(changed(1) { $0.name = "model.embed_tokens.weight" }?.kind == .corrupt)
        #expect(changed(1) { $0.name = "" }?.kind == .corrupt)
        #expect(changed(1) { $0.type = 2 }?.message.contains("no whole blocks of Q4_0") == true)
        let type = changed(1) { $0.type = 16 }
        #expect(type?.kind == .unsupported && type?.message.contains("IQ2_XXS") == true)
    }

    @Test func keysThatNobodyReadsAreRefused() throws {
        for (key, value) in [
            ("llama.attention.clamp_kqv", GGUFFile.Value.float32(3)), ("llama.logit_scale", .float32(0.5)),
            ("llama.attention.scale", .float32(0.1)), ("llama.use_parallel_residual", .bool(true)),
            ("llama.something", .string("new")), ("llama.pooling_type", .uint32(4)),
            ("llama.rope.dimension_sections", .sizes([1, 1])), ("general.type", .string("adapter")),
        ] {
            let failure = try #require(trouble(GGUFFile.llama.setting(key, value)), "\(key)")
            #expect(failure.kind == .unsupported && failure.message.contains(key))
        }
        for (key, value) in [
            ("llama.attention.clamp_kqv", GGUFFile.Value.float32(0)), ("llama.logit_scale", .float32(1)),
            ("llama.use_parallel_residual", .bool(false)), ("llama.vocab_size", .uint32(2)),
            ("llama.pooling_type", .uint32(.max)), ("general.type", .string("model")),
            ("tokenizer.ggml.bos_token_id", .uint32(.max)), ("other.something", .string("new")),
        ] { #expect(trouble(GGUFFile.llama.setting(key, value)) == nil, "\(key)") }
    }

    @Test func poolingAndDirectionAreTakenOver() throws {
        for (type, mode) in [(UInt32(1), "mean_tokens"), (2, "cls_token"), (3, "lasttoken")] {
            let contents = GGUFFile.llama.setting("llama.pooling_type", .uint32(type))
                .setting("llama.attention.causal", .bool(false))
            let source = try self.source(contents.bytes)
            let pooling = try #require(try source.file("1_Pooling/config.json"))
            let text = String(decoding: pooling.bytes, as: UTF8.self)
            #expect(text.contains("\"pooling_mode_\(mode)\":true") && source.contains("modules.json"))
            let config = try #require(try source.file("config.json"))
            #expect(String(decoding: config.bytes, as: UTF8.self).contains("\"is_causal\":false"))
        }
    }

    @Test func missingAndWrongKeysAreNamed() throws {
        for key in ["context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count"]
        {
            let failure = try #require(trouble(GGUFFile.llama.without("llama.\(key)")))
            #expect(failure.kind == .corrupt && failure.message.contains("model.gguf: llama.\(key) is missing"))
            let wrong = try #require(trouble(GGUFFile.llama.setting("llama.\(key)", .string("many"))))
            #expect(wrong.message.contains("llama.\(key) is \"many\""))
            #expect(trouble(GGUFFile.llama.setting("llama.\(key)", .uint32(0)))?.kind == .corrupt)
        }
        let other = trouble(GGUFFile.llama.setting("general.architecture", .string("mamba")))
        #expect(other?.kind == .unsupported && other?.message.contains("\"mamba\"") == true)
        #expect(trouble(GGUFFile.llama.setting("llama.expert_count", .uint32(8)))?.kind == .unsupported)
        #expect(trouble(GGUFFile.llama.setting("llama.rope.dimension_count", .uint32(2)))?.kind == .unsupported)
        #expect(trouble(GGUFFile.llama.setting("llama.attention.key_length", .uint32(3)))?.kind == .corrupt)
    }

    @Test func tokenizersThatAreNotKnownAreNamed() throws {
        let tokens = GGUFFile.llama.setting("tokenizer.ggml.tokens", .strings(["a", "b"]))
        let unknown = try source(tokens.setting("tokenizer.ggml.model", .string("rwkv")).bytes)
        #expect(failure { _ = try unknown.file("tokenizer.json") }?.kind == .unsupported)
        let bytes = tokens.setting("tokenizer.ggml.model", .string("gpt2"))
        let words = try source(bytes.setting("tokenizer.ggml.pre", .string("klingon")).bytes)
        let trouble = failure { _ = try words.file("tokenizer.json") }
        #expect(trouble?.message == "model.gguf: tokenizer.ggml.pre \"klingon\" is not known")
        #expect(failure { _ = try source(bytes.bytes).file("tokenizer.json") }?.kind == .corrupt)
        #expect(try source(GGUFFile.llama.bytes).file("tokenizer.json") == nil)
    }

    @Test func pathsLeadToFilesAndToDirectoriesWithOne() throws {
        let directory = try TemporaryDirectory()
        try directory.write(GGUFFile.llama.bytes, to: "a.gguf")
        try directory.write(GGUFFile.llama.bytes, to: "blob")
        for path in [directory.path, directory.path + "/a.gguf", directory.path + "/blob"] {
            #expect(try Checkpoint(source: CheckpointPath.open(path)).count == 11, "\(path)")
        }
        try directory.write(GGUFFile.llama.bytes, to: "b.gguf")
        #expect(failure { _ = try CheckpointPath.open(directory.path) }?.kind == .unsupported)
        #expect(failure { _ = try CheckpointPath.open(directory.path + "/c.gguf") }?.kind == .notFound)
        try directory.write(Array("{}".utf8), to: "config.json")
        #expect(try CheckpointPath.open(directory.path) is DirectorySource)
        let source = try CheckpointPath.open(memory(["model.gguf": GGUFFile.llama.bytes]))
        #expect(try Checkpoint(source: source).count == 11)
    }
}
