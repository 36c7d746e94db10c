import NestlingBasics
import NestlingCheckpoints
import NestlingKernels
import NestlingModels
import NestlingTensors
import NestlingTestSupport
import Testing

/// Models in GGUF files: those of checkpoints of transformers give what these give, and what is in blocks gives what
/// transformers computes of the numbers that gguf-py decodes (Tests/Fixtures/make_gguf_fixtures.py).
@Suite(.serialized) struct GGUFModelTests {
    private static let checkpoints = [
        ("llama", "llama/llama3"), ("qwen2", "qwen2/causal-lm"), ("qwen3", "qwen3/causal-lm"),
        ("gemma2", "gemma2/causal-lm"), ("gemma3", "gemma3/causal-lm"),
    ]

    private static func network(_ name: String, as codec: Codec? = nil) throws -> Network {
        try Network(
            loading: CheckpointDescription(CheckpointPath.open(Fixtures.path("gguf/\(name).gguf"))), as: codec,
            progress: nil)
    }

    @Test(arguments: checkpoints) func floatsAreThoseOfTheCheckpoint(_ name: String, _ directory: String) throws {
        let (found, expected) = (try Self.network(name), try openNetwork(directory))
        #expect(found.weights.architecture.family == expected.weights.architecture.family)
        #expect(found.parameters == expected.parameters)
        let golden = try Golden(directory)
        let ids = try #require(golden.integers("ids"))
        let offsets = try #require(golden.integers("offsets")).map(Int.init)
        let sequences = (0..<offsets.count - 1).map { Array(ids[offsets[$0]..<offsets[$0 + 1]]) }
        let request = Request.scores(.causalLM, unmerged: false)
        let scores = (try found.runner().run(sequences, request), try expected.runner().run(sequences, request))
        for (sequence, (own, other)) in zip(sequences, zip(scores.0, scores.1)) {
            #expect(Agreement.relativeError(own, other) <= 1e-6, "\(name) of \(sequence.count)")
            let key = "logits.\(sequence.count)"
            guard let exact = golden.floats(key), let columns = golden.shape(key)?.last,
                let rows = golden.integers("rows.\(sequence.count)")
            else { continue }
            let kept = rows.flatMap { own[Int($0) * columns..<(Int($0) + 1) * columns] }
            #expect(Agreement.relativeError(kept, exact) <= 1e-5, "\(name) \(key)")
        }
    }

    /// Random blocks of each type, against gguf-py: the same bits.
    @Test(arguments: [
        ("Q4_0", StoredType.q4_0), ("Q4_1", .q4_1), ("Q5_0", .q5_0), ("Q5_1", .q5_1), ("Q8_0", .q8_0), ("Q4_K", .q4_K),
        ("Q5_K", .q5_K), ("Q6_K", .q6_K), ("Q2_K", .q2_K), ("Q3_K", .q3_K), ("IQ4_NL", .iq4_nl), ("IQ4_XS", .iq4_xs),
        ("MXFP4", .mxfp4), ("TQ1_0", .tq1_0), ("TQ2_0", .tq2_0),
    ])
    func blocksAreTheNumbersOfGGUFPy(_ name: String, _ type: StoredType) throws {
        let golden = try Golden("gguf", file: "blocks.safetensors")
        let blocks = try #require(golden.bytes("\(name).bytes"))
        let values = try #require(golden.floats("\(name).values"))
        #expect(values.count == 768 && type.bytes(768) == blocks.count)
        var decoded = [Float](repeating: .nan, count: values.count)
        nk_to_f32(blocks, type.kernel, values.count, &decoded)
        #expect(decoded == values)
    }

    @Test(arguments: [("quantized", 0.4), ("gemma3n", 0.5)])
    func blocksMeanWhatTheirNumbersMean(_ name: String, _ mostOf4Bits: Double) throws {
        let golden = try Golden("gguf", file: "\(name).safetensors")
        let ids = try #require(golden.integers("ids"))
        let logits = try #require(golden.floats("logits"))
        for (codec, most) in [(Codec.float32, 2e-5), (.bfloat16, 0.03), (.int8, 0.06), (.int4, mostOf4Bits)] {
            let scores = try Self.network(name, as: codec).runner().run(
                [ids], .scores(.causalLM, unmerged: false))
            let error = Agreement.relativeError(scores[0], logits)
            #expect(error <= most, "\(name) \(codec): \(error)")
        }
    }

    @Test func configsSayWhatTransformersSays() throws {
        for (name, directory) in Self.checkpoints {
            let own = try CheckpointDescription(CheckpointPath.open(Fixtures.path("gguf/\(name).gguf"))).config
            let other = try CheckpointDescription(DirectorySource(path: Fixtures.path(directory))).config
            for key in [
                "architectures", "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                "num_key_value_heads", "intermediate_size", "max_position_embeddings", "rms_norm_eps",
            ] {
                #expect(own[key] == other[key], "\(name) \(key)")
            }
        }
    }

    @Test(arguments: [("quantized", "llama"), ("gemma3n", "gemma3n")])
    func checksSeeBlocks(_ name: String, _ family: String) throws {
        let source = try CheckpointPath.open(Fixtures.path("gguf/\(name).gguf"))
        let check = try CheckpointCheck(source, values: true)
        #expect(check.problems == [] && check.unused == [] && check.family == family)
    }
}
