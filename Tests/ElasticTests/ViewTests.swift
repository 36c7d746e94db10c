import NestlingBasics
import NestlingBlocks
import NestlingElastic
import Glibc
import NestlingModels
import NestlingTestSupport
import Testing

/// Submodels as views of one set of weights.
@Suite struct ViewTests {
    @Test(arguments: Fixtures.families) func everythingIsTheFullModel(_ family: String) throws {
        let network = try openNetwork("\(family)/base")
        var spec = SubmodelSpec()
        spec.widths = .ratio(1)
        spec.heads = .ratio(1)
        spec.layers = Array(network.blocks.indices)
        spec.outputDimensions = network.kept.outputDimensions
        for spec in [SubmodelSpec(), spec] {
            let view = try network.submodel(spec)
            #expect(view.kept == network.kept)
            try expectSameResults(view, network, seed: 1, family)
        }
    }

    /// The last layers of Gemma 3n need earlier ones: see `SharedKeysSubmodelTests`.
    @Test(arguments: Fixtures.families.filter { $0 != "gemma3n" }) func ofASubmodel(_ family: String) throws {
        let network = try openNetwork("\(family)/base")
        let (width, heads, step) = (network.kept.widths[0], network.kept.heads[0], network.blocks[0].headStep)
        var first = SubmodelSpec()
        first.widths = .exact([width - 1])
        first.heads = .exact([max(step, heads - step)])
        first.layers = Array(network.blocks.indices.dropFirst())
        first.outputDimensions = network.hiddenSize - 3
        var second = SubmodelSpec()
        second.widths = .exact([width / 3])
        second.heads = .exact([step])
        second.layers = [network.blocks.count - 2]
        second.outputDimensions = 5
        var direct = second
        direct.layers = [network.blocks.count - 1]
        let view = try network.submodel(first).submodel(second)
        #expect(view.weights === network.weights)
        #expect(try view.kept == network.submodel(direct).kept)
        try expectSameResults(view, network.submodel(direct), seed: 2, family)
        // What the submodel has given up cannot be had back.
        var more = SubmodelSpec()
        more.widths = .exact([width])
        #expect(failure { try network.submodel(first).submodel(more) }?.kind == .invalidArgument)
        more.widths = .all
        more.outputDimensions = network.hiddenSize
        #expect(failure { try network.submodel(first).submodel(more) }?.kind == .invalidArgument)
    }

    @Test func ratiosRound() throws {
        let network = try openNetwork("bert/base")
        func kept(_ ratio: Double) throws -> KeptParts {
            var spec = SubmodelSpec()
            spec.widths = .ratio(ratio)
            spec.heads = .ratio(ratio)
            return try network.submodel(spec).kept
        }
        #expect(network.kept.widths == [76, 76, 76] && network.kept.heads == [4, 4, 4])
        #expect(try kept(0.5).widths == [38, 38, 38])
        #expect(try kept(0.5).heads == [2, 2, 2])
        #expect(try kept(0.34).widths == [26, 26, 26])
        #expect(try kept(1e-300).widths == [1, 1, 1])
        #expect(try kept(1e-300).heads == [1, 1, 1])
        #expect(try kept(0.999).widths == [76, 76, 76])
    }

    @Test func headsThatShareAKeyStayTogether() throws {
        let network = try MadeUpNetwork.checkpoint().network()
        var spec = SubmodelSpec()
        for odd in [1, 3] {
            spec.heads = .exact([odd])
            #expect(failure { try network.submodel(spec) }?.message.contains("key head") == true)
        }
        for ratio in [0.01, 0.4, 0.6] {
            spec.heads = .ratio(ratio)
            #expect(try network.submodel(spec).kept.heads == [2, 2])
        }
        spec.heads = .exact([2, 4])
        let view = try network.submodel(spec)
        try expectSameResults(try Saved(view).network, view, seed: 3, "grouped heads")
    }

    static let refused: [(what: String, change: @Sendable (inout SubmodelSpec) -> Void)] = [
        ("FFN width", { $0.widths = .ratio(0) }), ("FFN width", { $0.widths = .ratio(-0.5) }),
        ("FFN width", { $0.widths = .ratio(1.001) }), ("FFN width", { $0.widths = .ratio(.nan) }),
        ("FFN width", { $0.widths = .ratio(.infinity) }), ("FFN width", { $0.widths = .exact([0]) }),
        ("FFN width", { $0.widths = .exact([77]) }), ("FFN width", { $0.widths = .exact([.min]) }),
        ("FFN width", { $0.widths = .exact([.max, 1, 1]) }), ("FFN width", { $0.widths = .exact([]) }),
        ("FFN width", { $0.widths = .exact([1, 2]) }), ("FFN width", { $0.widths = .exact([1, 2, 3, 4]) }),
        ("heads", { $0.heads = .ratio(0) }), ("heads", { $0.heads = .exact([5]) }),
        ("heads", { $0.heads = .exact([1, -1, 1]) }),
        ("layers", { $0.layers = [] }), ("layer 3", { $0.layers = [0, 3] }), ("layer -1", { $0.layers = [-1] }),
        ("rise", { $0.layers = [1, 0] }), ("rise", { $0.layers = [1, 1] }), ("layers[0]", { $0.layers = [.max] }),
        ("dimensions", { $0.outputDimensions = 0 }), ("dimensions", { $0.outputDimensions = -1 }),
        ("dimensions", { $0.outputDimensions = 65 }), ("dimensions", { $0.outputDimensions = .max }),
    ]

    @Test func refusesWhatCannotBe() throws {
        let network = try openNetwork("bert/base")
        for (what, change) in Self.refused {
            var spec = SubmodelSpec()
            change(&spec)
            let failure = failure { try network.submodel(spec) }
            #expect(failure?.kind == .invalidArgument)
            #expect(failure?.message.contains(what) == true, "\(failure?.message ?? "accepted")")
        }
    }

    /// A BERT of 12 layers whose packed weights take several megabytes.
    static func large() throws -> Network {
        let (hidden, width, layers) = (64, 512, 12)
        var checkpoint = TinyCheckpoint()
        checkpoint.files["config.json"] = #"""
            {"model_type":"bert","hidden_size":\#(hidden),"num_hidden_layers":\#(layers),"num_attention_heads":4,
             "intermediate_size":\#(width),"vocab_size":50,"max_position_embeddings":64,"type_vocab_size":1}
            """#
        var shapes: [(String, [Int])] = ["word", "position", "token_type"].map {
            ("embeddings.\($0)_embeddings.weight", [["word": 50, "position": 64][$0] ?? 1, hidden])
        }
        func norm(_ name: String) { shapes += [("\(name).weight", [hidden]), ("\(name).bias", [hidden])] }
        norm("embeddings.LayerNorm")
        for layer in 0..<layers {
            let stem = "encoder.layer.\(layer)."
            norm("\(stem)attention.output.LayerNorm")
            norm("\(stem)output.LayerNorm")
            let linears = [
                ("attention.self.query", hidden, hidden), ("attention.self.key", hidden, hidden),
                ("attention.self.value", hidden, hidden), ("attention.output.dense", hidden, hidden),
                ("intermediate.dense", width, hidden), ("output.dense", hidden, width),
            ]
            for (name, rows, columns) in linears {
                shapes += [("\(stem)\(name).weight", [rows, columns]), ("\(stem)\(name).bias", [rows])]
            }
        }
        checkpoint.addRandom(shapes, seed: 1)
        return try checkpoint.network()
    }

    @Test func copiesNothing() throws {
        let network = try Self.large()
        #expect(network.weights.storageBytes > 3_000_000)
        // Other tests allocate at the same time, so the least of several measurements counts.
        var views: [Network] = []
        var least = Int.max
        for round in 0..<4 {
            let before = Self.residentBytes()
            for index in 0..<250 {
                var spec = SubmodelSpec()
                spec.widths = .exact((0..<12).map { 1 + ($0 * 37 + index + round) % 511 })
                spec.heads = .exact([1 + index % 4])
                views.append(try network.submodel(spec))
            }
            least = min(least, Self.residentBytes() - before)
        }
        let areShared = views.allSatisfy { $0.weights === network.weights }
        #expect(areShared && views.count == 1000)
        // What describes a block of a view takes a kilobyte or two; its weights take 300.
        #expect(least < 250 * 12 * 4096, "\(least) bytes")
    }

    /// Memory that the process has now.
    private static func residentBytes() -> Int {
        guard let stream = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(stream) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, 128, stream) != nil else { return 0 }
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (Int(text.split(separator: " ")[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    }

    @Test func inTwoThreadsAtOnce() async throws {
        let network = try Self.large()
        let specs = (0..<4).map { index in
            var spec = SubmodelSpec()
            spec.widths = .exact((0..<12).map { 10 + 31 * $0 + index })
            spec.heads = .exact([1 + index])
            return spec
        }
        let views = try specs.map { try network.submodel($0) }
        let sequences = TokenSequences(for: network, lengths: [1, 9, 33, 64, 17], seed: 5)
        let alone = try views.map { try $0.runner(threads: 1).run(sequences, .states(layer: 12, unmerged: false)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, view) in views.enumerated() {
                group.addTask {
                    let runner = view.runner(threads: 2)
                    for _ in 0..<10 {
                        let found = try runner.run(sequences, .states(layer: 12, unmerged: false))
                        expectSameBits(found, alone[index], "view \(index)")
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
