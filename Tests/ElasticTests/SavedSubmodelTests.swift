import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingElastic
import Glibc
import NestlingModels
import NestlingTestSupport
import Testing

/// A view equals its saved checkpoint to the bit, in every family and every mix; and the checkpoint is a plain one exactly
/// where transformers can express it.
@Suite struct SavedSubmodelTests {
    /// A random part of `network`; the same for the same generator.
    static func randomSpec(_ network: Network, _ generator: inout SeededGenerator) -> SubmodelSpec {
        var spec = SubmodelSpec()
        let kept = network.kept
        var layers = Array(kept.layers.indices)
        let givers = layers.filter {
            network.blocks[$0].sharings.contains { if case .gives = $0 { true } else { false } }
        }
        if Bool.random(using: &generator) {
            layers = layers.filter { _ in Bool.random(using: &generator) }
            if layers.isEmpty { layers = [kept.layers.count - 1] }
            // Layers may take keys of others.
            layers = Set(layers + givers).sorted()
            spec.layers = layers
        }
        /// Numbers are multiples of `step`.
        func extent(_ all: [Int], step: Int = 1) -> SubmodelSpec.Extent {
            func draw(_ most: Int) -> Int { step * Int.random(in: 1...max(1, most / step), using: &generator) }
            return switch Int.random(in: 0..<5, using: &generator) {
            case 0: .all
            case 1: .ratio(Double.random(in: 0.1...1, using: &generator))
            case 2: .exact([draw(all.min() ?? step)])
            case 3: .exact([step])
            default: .exact(all.map(draw))
            }
        }
        spec.widths = extent(layers.map { kept.widths[$0] })
        if givers.isEmpty { spec.heads = extent(layers.map { kept.heads[$0] }, step: network.blocks[0].headStep) }
        if Int.random(in: 0..<3, using: &generator) == 0 {
            spec.outputDimensions = Int.random(in: 1...kept.outputDimensions, using: &generator)
        }
        return spec
    }

    @Test(arguments: Fixtures.families) func randomParts(_ family: String) throws {
        let network = try openNetwork("\(family)/base")
        var generator = SeededGenerator(UInt64(family.utf8.count) * 31 + 7)
        for round in 0..<12 {
            let spec = Self.randomSpec(network, &generator)
            let view = try network.submodel(spec)
            let saved = try Saved(view)
            try expectSameResults(saved.network, view, seed: UInt64(round), "\(family) \(spec)")
            let kept = view.kept
            let names = try saved.notInTransformers
            #expect(names.isEmpty == saved.isPlain)
            #expect(try SubmodelWriter(view).notInTransformers == names)
            func isNamed(_ what: String) -> Bool { names.contains { $0.contains(what) } }
            #expect(isNamed("dimensions") == (kept.outputDimensions < network.kept.outputDimensions), "\(names)")
            // ALBERT's layers are one: which ones are kept does not always show.
            guard family != "albert" else { continue }
            let hasNorm = family != "modernbert" || kept.layers[0] == 0
            let hasWidths = family == "gemma3n"
            #expect(isNamed("FFN widths") == (Set(kept.widths).count > 1 && !hasWidths), "\(names)")
            #expect(isNamed("heads") == (kept.heads != kept.layers.map { network.kept.heads[$0] }), "\(names)")
            #expect(isNamed("layers [") == !hasNorm, "\(names)")
        }
    }

    @Test(arguments: ["albert", "bert", "gte", "modernbert", "roberta"]) func savedAgain(_ family: String) throws {
        var generator = SeededGenerator(77)
        let network = try openNetwork("\(family)/base")
        for round in 0..<4 {
            let first = try Saved(network.submodel(Self.randomSpec(network, &generator)))
            // As it is, and cut once more.
            let second = try Saved(first.network)
            try expectSameResults(second.network, first.network, seed: UInt64(round), "\(family) as it is")
            #expect(second.isPlain == first.isPlain)
            let view = try first.network.submodel(Self.randomSpec(first.network, &generator))
            try expectSameResults(try Saved(view).network, view, seed: UInt64(round), "\(family) cut again")
        }
    }

    /// With a head, or stored otherwise: one uniform cut, which transformers can express.
    @Test(arguments: [
        "albert/masked-lm", "bert/masked-lm", "bert/masked-lm-untied", "bert/float16", "bert/bfloat16", "bert/sharded",
        "bert/legacy-names", "llama/causal-lm", "gpt2/causal-lm", "gpt_neox/sequential", "gemma3/causal-lm",
        "gemma3n/causal-lm", "bert/question-answering", "distilbert/sequence-classification", "electra/replaced-token",
        "electra/masked-lm", "gte/masked-lm", "jina_embeddings_v3/masked-lm", "modernbert/question-answering",
        "modernbert/sequence-classification", "modernbert/token-classification", "mpnet/masked-lm",
        "nomic_bert/token-classification", "roberta/sequence-classification", "xlm-roberta/sequence-classification",
    ])
    func heads(_ directory: String) throws {
        let network = try openNetwork(directory)
        var spec = SubmodelSpec()
        spec.widths = .ratio(0.45)
        if network.blocks.count > 1, !directory.hasPrefix("albert") {
            spec.layers = Array(network.blocks.indices.dropLast())
        }
        let view = try network.submodel(spec)
        let saved = try Saved(view)
        #expect(saved.isPlain)
        try expectSameResults(saved.network, view, seed: 1, directory)
        // Types stay.
        let (before, after) = (network.weights.checkpoint, saved.network.weights.checkpoint)
        for name in after.names where before[name] != nil { #expect(after[name]?.type == before[name]?.type) }
        #expect(after.names.count { after[$0]?.type == .float16 } > 10 || directory != "bert/float16")
        #expect(after.names.count { after[$0]?.type == .bfloat16 } > 10 || directory != "bert/bfloat16")
    }

    @Test(arguments: ["dense", "legacy"]) func sentenceTransformers(_ name: String) throws {
        let network = try openNetwork("sentence-transformers/\(name)")
        for dimensions in [nil, 7] {
            var spec = SubmodelSpec()
            spec.widths = .ratio(0.5)
            spec.outputDimensions = dimensions
            let view = try network.submodel(spec)
            let saved = try Saved(view)
            #expect(saved.isPlain == (dimensions == nil))
            try expectSameResults(saved.network, view, seed: 1, name)
            let names = TemporaryDirectory.names(saved.path)
            for file in ["modules.json", "tokenizer.json", "1_Pooling", "config_sentence_transformers.json"] {
                #expect(names.contains(file), "\(file)")
            }
        }
    }

    @Test func aHandwrittenNetwork() throws {
        let network = try MadeUpNetwork.checkpoint().network()
        var spec = SubmodelSpec()
        spec.layers = [1]
        spec.widths = .exact([3])
        spec.heads = .exact([2])
        for spec in [SubmodelSpec(), spec] {
            let view = try network.submodel(spec)
            let saved = try Saved(view)
            #expect(try !saved.notInTransformers.isEmpty)
            try expectSameResults(saved.network, view, seed: 9, "made up")
        }
    }

    @Test func overAnExistingCheckpoint() throws {
        let network = try openNetwork("bert/base")
        var spec = SubmodelSpec()
        spec.widths = .exact([1, 2, 3])
        let saved = try Saved(network.submodel(spec))
        #expect(!saved.isPlain)
        let full = try SubmodelWriter(network)
        let refusal = failure { try full.write(to: saved.path, overwrites: false, progress: nil) }
        #expect(refusal?.kind == .invalidArgument)
        #expect(refusal?.message.contains(saved.path) == true)
        #expect(try openNetwork(saved.path).kept.widths == [1, 2, 3])
        try full.write(to: saved.path + "/", overwrites: true, progress: nil)
        #expect(saved.isPlain)
        try expectSameResults(openNetwork(saved.path), network, seed: 1, "overwritten")
        // Over the checkpoint that the model itself was opened from, whose files it may have mapped.
        let opened = try openNetwork(saved.path)
        var half = SubmodelSpec()
        half.widths = .ratio(0.5)
        let view = try opened.submodel(half)
        try SubmodelWriter(view).write(to: saved.path, overwrites: true, progress: nil)
        try expectSameResults(openNetwork(saved.path), view, seed: 1, "over itself")
        #expect(TemporaryDirectory.names(saved.directory.path) == ["saved"])
    }

    @Test func stopping() throws {
        let network = try openNetwork("bert/base")
        let directory = try TemporaryDirectory()
        var calls = 0
        try SubmodelWriter(network).write(to: directory.file("whole"), overwrites: false) {
            stage, done, total throws(Failure) in
            #expect(stage == "save" && done <= total)
            calls += 1
        }
        #expect(calls > 10)
        for stop in 0..<calls {
            var call = 0
            let failure = failure {
                try SubmodelWriter(network).write(to: directory.file("stopped"), overwrites: false) {
                    _, _, _ throws(Failure) in
                    defer { call += 1 }
                    if call == stop { throw Failure(.cancelled, "enough") }
                }
            }
            #expect(failure?.kind == .cancelled)
            #expect(TemporaryDirectory.names(directory.path) == ["whole"])
        }
    }

    @Test func placesThatCannotBe() throws {
        let writer = try SubmodelWriter(openNetwork("bert/base"))
        let directory = try TemporaryDirectory()
        try TemporaryDirectory.write("a file", to: directory.file("file"))
        for path in [
            "", directory.file("no/such/parent"), directory.file("file"), directory.file("file/inside"), "a\0b",
        ] {
            let failure = failure { try writer.write(to: path, overwrites: true, progress: nil) }
            #expect(failure?.message.isEmpty == false, "\(path)")
        }
        #expect(TemporaryDirectory.names(directory.path) == ["file"])
    }
}
