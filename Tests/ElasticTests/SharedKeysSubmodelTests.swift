import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingElastic
import NestlingModels
import NestlingTensors
import NestlingTestSupport
import Testing

/// Submodels of Gemma 3n: a width for each layer, layers left out, and what must stay.
@Suite struct SharedKeysSubmodelTests {
    /// As E2B is cut out of E4B: narrower FFNs, and layers less among those that share keys.
    @Test func slicesArePlainCheckpoints() throws {
        let network = try openNetwork("gemma3n/base")
        var spec = SubmodelSpec()
        spec.layers = [0, 1, 2, 3, 5]
        spec.widths = .exact([11, 22, 7, 17, 16])
        let view = try network.submodel(spec)
        let saved = try Saved(view)
        #expect(saved.isPlain)
        try expectSameResults(saved.network, view, seed: 1, "slice")
        let config = try #require(try saved.network.weights.checkpoint.source.json("config.json"))
        #expect(config["intermediate_size"]?.array?.compactMap(\.int) == [11, 22, 7, 17, 16])
        #expect(config["num_kv_shared_layers"]?.int == 2)
        #expect(config["activation_sparsity_pattern"]?.array?.compactMap(\.double) == [0.9, 0.5, 0, 0, 0])
        #expect(config["layer_types"]?.array?.count == 5)
        // What a layer knows of tokens by heart goes with it: five parts of six elements.
        let checkpoint = saved.network.weights.checkpoint
        #expect(checkpoint["embed_tokens_per_layer.weight"]?.shape == [55, 30])
        #expect(checkpoint["per_layer_model_projection.weight"]?.shape == [30, 20])
    }

    /// Without layers that take keys, nobody gives any.
    @Test func layersOfTheirOwnAlone() throws {
        var spec = SubmodelSpec()
        spec.layers = [0, 2]
        let view = try openNetwork("gemma3n/base").submodel(spec)
        let saved = try Saved(view)
        #expect(saved.isPlain && saved.network.blocks.allSatisfy(\.sharings.isEmpty))
        try expectSameResults(saved.network, view, seed: 2, "no keys shared")
    }

    @Test func whatIsTakenMustStay() throws {
        let network = try openNetwork("gemma3n/base")
        var spec = SubmodelSpec()
        spec.layers = [0, 2, 3]
        let failure = failure { try network.submodel(spec) }
        #expect(failure?.kind == .invalidArgument)
        #expect(failure?.message == "layers: layer 3 takes the keys of layer 1, which must be kept")
        spec = SubmodelSpec()
        spec.heads = .exact([4, 2, 4, 4, 4, 4])
        #expect(NestlingTestSupport.failure { try network.submodel(spec) }?.kind == .invalidArgument)
        spec.heads = .exact([2, 4, 4, 2, 4, 2])
        let view = try network.submodel(spec)
        try expectSameResults(try Saved(view).network, view, seed: 3, "heads")
    }

    /// The large table is used as it is stored, whatever the others become.
    @Test(arguments: Codec.allCases) func theLargeTableStaysAsItIs(codec: Codec) throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("packed")
        let network = try PackedCheckpointTests.open(Fixtures.path("gemma3n/base"), as: codec)
        try PackedWriter(network, as: codec).write(to: path, overwrites: false, progress: nil)
        let checkpoint = try CheckpointDescription(DirectorySource(path: path)).checkpoint
        #expect(checkpoint["embed_tokens_per_layer.weight"]?.type == .float32)
        #expect(checkpoint["embed_tokens.weight"]?.type == (codec == .float32 ? .float32 : .bfloat16))
    }

    /// Of the large table, and of what is projected beside it, a packed file has what the kept layers use.
    @Test(arguments: Codec.allCases) func packedFilesLackWhatLayersLeftOutKnow(codec: Codec) throws {
        let directory = try TemporaryDirectory()
        let network = try PackedCheckpointTests.open(Fixtures.path("gemma3n/base"), as: codec)
        for (layers, size) in [([0, 1, 2, 3, 5], 30), ([0, 2], 12), ([1], 6), ([0, 1, 2, 3, 4, 5], 36)] {
            var spec = SubmodelSpec()
            spec.layers = layers
            let view = try network.submodel(spec)
            let saved = try PackedCheckpointTests.packed(view, in: directory, "\(layers.count)")
            #expect(saved.weights.checkpoint["embed_tokens_per_layer.weight"]?.shape == [55, size])
            try expectSameResults(saved, view, seed: 1, "\(codec) \(layers)")
            // Cut once more, from the packed file.
            guard layers.count == 5 else { continue }
            spec.layers = [0, 1, 3, 4]
            let smaller = try PackedCheckpointTests.packed(saved.submodel(spec), in: directory, "again")
            #expect(smaller.weights.checkpoint["embed_tokens_per_layer.weight"]?.shape == [55, 24])
            try expectSameResults(smaller, try view.submodel(spec), seed: 2, "\(codec) cut again")
        }
    }

    @Test func tokensCannotBeMerged() throws {
        let network = try openNetwork("gemma3n/base")
        let sequences = TokenSequences(for: network, lengths: [20], seed: 1)
        let reducer = try Reducers.reducer(json: #"{"method": "tome", "r": 2}"#)
        let failure = failure { _ = try network.runner().run(sequences, .vectors(VectorOptions()), reducer: reducer) }
        #expect(failure?.kind == .unsupported && failure?.message.contains("gemma3n") == true)
    }
}
