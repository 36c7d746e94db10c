import NestlingBasics
import NestlingCheckpoints
import Testing

/// What GGUF files of Gemma 3n say, and have in other shapes than transformers.
@Suite struct GGUFGemma3nTests {
    /// The metadata, and the tensors that are not only renamed: two layers, three streams of four elements.
    private static var contents: GGUFFile {
        var file = GGUFFile()
        file.values = [
            ("general.architecture", .string("gemma3n")), ("gemma3n.context_length", .uint32(16)),
            ("gemma3n.embedding_length", .uint32(4)), ("gemma3n.block_count", .uint32(2)),
            ("gemma3n.feed_forward_length", .sizes([3, 5])), ("gemma3n.attention.head_count", .uint32(1)),
            ("gemma3n.attention.layer_norm_rms_epsilon", .float32(1e-6)),
            ("gemma3n.attention.sliding_window", .uint32(8)), ("gemma3n.attention.shared_kv_layers", .uint32(0)),
            ("gemma3n.attention.sliding_window_pattern", .sizes([1, 0])), ("gemma3n.altup.num_inputs", .uint32(3)),
            ("gemma3n.altup.active_idx", .uint32(1)), ("gemma3n.embedding_length_per_layer_input", .uint32(6)),
            ("gemma3n.activation_sparsity_scale", .numbers([1.6448536, -.infinity])),
        ]
        file.add("token_embd.weight", 4, 9)
        file.add("per_layer_token_embd.weight", 12, 7)
        file.add("altup_proj.weight", 4, 4, 2)
        file.add("altup_unembd_proj.weight", 4, 4, 2)
        file.add("output_norm.weight", 4)
        file.add("blk.0.laurel_l.weight", 4, 5)
        file.add("blk.1.altup_correct_scale.weight", 4)
        file.add("blk.1.post_norm.weight", 4)
        return file
    }

    private func source(_ contents: GGUFFile) throws -> GGUFSource {
        try GGUFSource(file: file(contents.bytes, name: "model.gguf"), path: "model.gguf")
    }

    private func trouble(_ contents: GGUFFile) -> Failure? { failure { _ = try source(contents) } }

    private func config(_ contents: GGUFFile) throws -> JSONFields {
        try #require(try source(contents).fields("config.json"))
    }

    @Test func metadataAreTheConfig() throws {
        let config = try config(Self.contents)
        #expect(try config.string("model_type") == "gemma3n_text")
        #expect(try config.integers("intermediate_size", in: 1...9) == [3, 5])
        #expect(try config.strings("layer_types") == ["sliding_attention", "full_attention"])
        #expect(try config.numbers("activation_sparsity_pattern") == [0.95, 0])
        for (key, value) in [
            "vocab_size": 9, "vocab_size_per_layer_input": 7, "hidden_size_per_layer_input": 6, "laurel_rank": 5,
            "altup_num_inputs": 3, "altup_active_idx": 1, "num_kv_shared_layers": 0, "sliding_window": 8,
        ] {
            #expect(try config.integer(key, in: 0...100) == value, "\(key)")
        }
    }

    /// What llama.cpp takes for granted.
    @Test func whatIsLeftOutIsKnown() throws {
        var contents = Self.contents.setting("gemma3n.block_count", .uint32(35))
        for key in [
            "altup.num_inputs", "altup.active_idx", "attention.shared_kv_layers", "activation_sparsity_scale",
            "embedding_length_per_layer_input", "attention.sliding_window_pattern",
        ] {
            contents = contents.without("gemma3n.\(key)")
        }
        contents.tensors.removeAll { $0.name.hasPrefix("altup") }
        let config = try config(contents)
        #expect(try config.integer("num_kv_shared_layers", in: 0...100) == 15)
        #expect(try config.integer("altup_num_inputs", in: 0...100) == 4)
        #expect(!config.contains("activation_sparsity_pattern") && !config.contains("layer_types"))
    }

    @Test func stacksAreMatrices() throws {
        let checkpoint = try Checkpoint(source: source(Self.contents))
        #expect(checkpoint.count == 10)
        for stem in ["model.altup_projections", "model.altup_unembed_projections"] {
            let first = try #require(checkpoint["\(stem).0.weight"])
            let second = try #require(checkpoint["\(stem).1.weight"])
            #expect(first.shape == [4, 4] && second.shape == [4, 4])
            #expect(first.range.count == 64 && second.range == first.range.upperBound..<first.range.upperBound + 64)
        }
        #expect(checkpoint["model.embed_tokens_per_layer.weight"]?.shape == [7, 12])
        #expect(checkpoint["model.layers.1.altup.correct_output_scale"]?.shape == [4])
        // Norms multiply by the weight alone: it is the file's.
        let norm = try #require(checkpoint["model.layers.1.post_per_layer_input_norm.weight"])
        #expect(norm.bytes.allSatisfy { $0 == 0 })
    }

    /// Tools that write the shortest shape leave out a dimension of one.
    @Test func aStackOfOneIsAMatrix() throws {
        for dimensions: [UInt64] in [[4, 4], [4, 4, 1]] {
            var contents = Self.contents.setting("gemma3n.altup.num_inputs", .uint32(2))
            for index in contents.tensors.indices where contents.tensors[index].name.hasPrefix("altup") {
                contents.tensors[index].dimensions = dimensions
                contents.tensors[index].bytes = 64
            }
            let checkpoint = try Checkpoint(source: source(contents))
            #expect(checkpoint["model.altup_projections.0.weight"]?.shape == [4, 4])
            #expect(!checkpoint.names.contains { $0.hasPrefix("altup") })
        }
    }

    @Test func stacksAreAsHighAsThereAreStreams() {
        for dimensions: [UInt64] in [
            [32], [4, 8], [4, 4, 3], [4, 4, 1, 2], [0, 4, 1 << 40], [0, 1 << 40, 2, 1 << 20], [1, 1, 32],
        ] {
            var contents = Self.contents
            contents.tensors[2].dimensions = dimensions
            let trouble = self.trouble(contents)
            #expect(trouble?.kind == .corrupt && trouble?.message.contains("\"altup_proj.weight\"") == true)
        }
        for count: UInt32 in [1, 2, 4, 16] {
            let trouble = self.trouble(
                Self.contents.setting("gemma3n.altup.num_inputs", .uint32(count)).setting(
                    "gemma3n.altup.active_idx", .uint32(0)))
            #expect(trouble?.message.contains("one less than gemma3n.altup.num_inputs") == true, "\(count)")
        }
        var twice = Self.contents
        twice.add("model.altup_projections.1.weight", 4, 4)
        #expect(trouble(twice)?.message.contains("\"model.altup_projections.1.weight\"") == true)
    }

    @Test func wrongMetadataAreNamed() throws {
        let wrong: [(String, [GGUFFile.Value])] = [
            ("altup.num_inputs", [.uint32(0), .uint32(17), .string("four"), .sizes([3])]),
            ("altup.active_idx", [.uint32(3), .uint32(.max), .float32(.nan)]),
            ("attention.shared_kv_layers", [.uint32(5000), .string("no")]),
            ("attention.sliding_window", [.uint32(0), .sizes([8, 9])]),
            ("attention.sliding_window_pattern", [.uint32(4), .uint32(0), .string("all")]),
            ("embedding_length_per_layer_input", [.uint32(0), .uint32(.max), .string("x")]),
            ("feed_forward_length", [.sizes([3, 0]), .numbers([3.5, 4]), .strings(["3"]), .uint32(0)]),
            (
                "activation_sparsity_scale",
                [
                    .numbers([.infinity, 0]), .numbers([0, .nan]), .numbers([9, 0]), .strings(["1", "2"]), .float32(1),
                    .numbers(Array(repeating: 0, count: 5000)),
                ]
            ),
        ]
        for (name, values) in wrong {
            for value in values {
                let trouble = try #require(self.trouble(Self.contents.setting("gemma3n.\(name)", value)), "\(name)")
                #expect(trouble.kind != .internal, "\(name) \(value)")
                #expect(trouble.message.contains("model.gguf: gemma3n.\(name)"), "\(trouble.message)")
            }
        }
        let missing = trouble(Self.contents.without("gemma3n.attention.sliding_window"))
        #expect(missing?.message.contains("gemma3n.attention.sliding_window is missing") == true)
    }
}
