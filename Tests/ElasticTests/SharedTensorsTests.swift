import NestlingBasics
import NestlingCheckpoints
import NestlingElastic
import NestlingModels
import NestlingTensors
import NestlingTestSupport
import Testing

/// Descriptions by hand whose parts share tensors: what is saved of a cut opens again with the cut's bits, and no second use of
/// a tensor reads what the file does not hold.
@Suite struct SharedTensorsTests {
    /// Three blocks of 4 heads of 8 and an FFN of 64 over 32 values. `%` in names stands for the block's number.
    struct Description {
        var query = #"{"weight":"b.%.q","bias":"b.%.qb","shape":[32,32]}"#
        var key = #"{"weight":"b.%.k","shape":[32,32]}"#
        var value = #"{"weight":"b.%.v","shape":[32,32]}"#
        var output = #"{"weight":"b.%.o","shape":[32,32]}"#
        var up = #"{"weight":"b.%.up","bias":"b.%.upb","shape":[64,32]}"#
        var down = #"{"weight":"b.%.down","shape":[32,64]}"#
        var norm = "b.%.n"
        var prefix = "b.%."
        var table = "table"

        var checkpoint: TinyCheckpoint {
            var checkpoint = TinyCheckpoint()
            let blocks = (0..<3).map { block in
                #"""
                {"prefix":"\#(prefix)","sublayers":[
                 {"pre_norm":{"type":"layer_norm","size":32,"epsilon":1e-5,"weight":"\#(norm)"},
                  "mixer":{"type":"attention","hidden_size":32,"heads":4,"head_size":8,"query":\#(query),"key":\#(key),
                   "value":\#(value),"output":\#(output),"rule":{"type":"softmax"}}},
                 {"channel":{"type":"mlp","hidden_size":32,"width":64,"activation":"gelu","up":\#(up),"down":\#(down)}}]}
                """#.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "\(block)")
            }
            checkpoint.files["config.json"] = "{}"
            checkpoint.files["nestling.json"] = #"""
                {"format":1,"architecture":{"family":"x","hidden_size":32,"blocks":[\#(blocks.joined(separator: ","))],
                 "embedding":{"tokens":{"weight":"\#(table)","shape":[32,32]}}}}
                """#
            var shapes: [(String, [Int])] = [
                (table, [32, 32]), ("u", [32, 32]), ("wide", [64, 32]), ("s32", [32]), ("s64", [64]), ("unused", [3]),
            ]
            for block in 0..<3 {
                for name in ["q", "k", "v", "o"] { shapes.append(("b.\(block).\(name)", [32, 32])) }
                shapes += [("b.\(block).up", [64, 32]), ("b.\(block).down", [32, 64])]
                shapes += [("b.\(block).qb", [32]), ("b.\(block).upb", [64]), ("b.\(block).n", [32])]
                shapes += [("b.\(block).s", [32]), ("b.\(block).s64", [64])]
            }
            checkpoint.addRandom(shapes, seed: 11)
            return checkpoint
        }
    }

    private static let cases: [(name: String, description: Description)] = {
        var cases: [(String, Description)] = [("plain", Description())]
        func add(_ name: String, _ change: (inout Description) -> Void) {
            var description = Description()
            change(&description)
            cases.append((name, description))
        }
        add("scales of outputs") {
            $0.output = #"{"weight":"b.%.o","shape":[32,32],"scale":"b.%.s"}"#
            $0.down = #"{"weight":"b.%.down","shape":[32,64],"scale":"s32"}"#
        }
        add("scales of what is cut") {
            $0.query = #"{"weight":"b.%.q","bias":"b.%.qb","shape":[32,32],"scale":"b.%.s"}"#
            $0.up = #"{"weight":"b.%.up","bias":"b.%.upb","shape":[64,32],"scale":"b.%.s64"}"#
        }
        add("query and value") {
            $0.query = #"{"weight":"u","shape":[32,32]}"#
            $0.value = #"{"weight":"u","shape":[32,32]}"#
        }
        add("the embedding's table") { $0.query = #"{"weight":"table","shape":[32,32]}"# }
        add("the embedding's table as key and value") {
            $0.key = #"{"weight":"table","shape":[32,32]}"#
            $0.value = #"{"weight":"table","shape":[32,32]}"#
        }
        add("a bias that is a norm") { $0.query = #"{"weight":"b.%.q","bias":"b.%.n","shape":[32,32]}"# }
        add("a prefix that others have") {
            $0.prefix = "b"
            $0.table = "birds"
        }
        add("prefixes of prefixes") { $0.prefix = "b.%" }
        add("a prefix of the table") {
            $0.prefix = "t"
            $0.up = #"{"weight":"wide","shape":[64,32]}"#
        }
        add("layers that share") {
            $0.query = #"{"weight":"b.0.q","shape":[32,32]}"#
            $0.down = #"{"weight":"b.2.down","shape":[32,64]}"#
        }
        return cases
    }()

    @Test(arguments: cases.map(\.name), Codec.allCases) func cutsOpenAgain(_ name: String, _ codec: Codec) throws {
        let description = try #require(Self.cases.first { $0.name == name }).description
        let network = try Network(
            loading: CheckpointDescription(description.checkpoint.source), as: codec, progress: nil)
        let directory = try TemporaryDirectory()
        var specs = Array(repeating: SubmodelSpec(), count: 6)
        specs[1].widths = .exact([16, 64, 33])
        specs[2].heads = .exact([1, 2, 4])
        (specs[3].widths, specs[3].heads, specs[3].layers) = (.exact([5]), .exact([3]), [1])
        specs[4].layers = [0, 2]
        (specs[5].widths, specs[5].heads, specs[5].layers) = (.exact([7, 64]), .exact([2, 1]), [1, 2])
        for (round, spec) in specs.enumerated() {
            let view = try network.submodel(spec)
            let path = directory.file("plain\(round)")
            try SubmodelWriter(view).write(to: path, overwrites: false, progress: nil)
            let plain = try PackedCheckpointTests.open(path, as: codec)
            // A scale of integers belongs to a whole row: what is cut of rows gets others when it is quantized again.
            if codec == .float32 || codec == .bfloat16 {
                try expectSameResults(plain, view, seed: 1, "\(name), \(codec), cut \(round)")
            }
            #expect(plain.parameters == view.parameters)
            let packed = try PackedCheckpointTests.packed(view, in: directory, "packed\(round)")
            try expectSameResults(packed, view, seed: 1, "\(name), \(codec), packed cut \(round)")
            let again = try PackedCheckpointTests.packed(packed, in: directory, "again\(round)")
            try expectSameResults(again, view, seed: 1, "\(name), \(codec), packed twice \(round)")
        }
    }

    /// Every use is compared with the file, also where an earlier one was right.
    @Test func secondUsesThatContradict() throws {
        let wrong = [
            #"{"weight":"u","shape":[32,3000]}"#, #"{"weight":"u","shape":[3000,32],"rows":[0,32]}"#,
            #"{"weight":"u","shape":[64,32],"rows":[32,32]}"#, #"{"weight":"u","shape":[32,64],"columns":32}"#,
            #"{"weight":"u","shape":[32,32],"bias":"s64"}"#, #"{"weight":"u","shape":[32,32],"scale":"s64"}"#,
            #"{"weight":"u","shape":[1024],"rows":[0,32]}"#,
        ]
        for node in wrong {
            var description = Description()
            description.query = #"{"weight":"u","shape":[32,32]}"#
            description.value = node
            let failure = failure { try description.checkpoint.network() }
            #expect(failure != nil, "\(node)")
            let checked = try CheckpointCheck(description.checkpoint.source, values: false)
            #expect(checked.problems.contains { $0 == failure?.message }, "\(node): \(checked.problems)")
        }
    }

    /// The bytes of a packed tensor do not say how many rows they are: each use has the layout that it names.
    @Test func twoLayoutsOfPackedBytes() throws {
        let directory = try TemporaryDirectory()
        let network = try PackedCheckpointTests.packed(Description().checkpoint.network(), in: directory, "packed")
        func weights() -> CheckpointWeights {
            CheckpointWeights(
                network.weights.checkpoint, precision: Precision(.float32), progress: LoadProgress(nil, total: 0))
        }
        func bytes(_ linear: PackedLinear) throws -> [UInt8] {
            var all: [UInt8] = []
            try linear.writePacked { all += $0 }
            return all
        }
        let high = LinearNode(weight: "b.0.up.float32", bias: nil, rows: 64, columns: 32, outputs: 32, codec: .float32)
        let wide = LinearNode(weight: "b.0.up.float32", bias: nil, rows: 32, columns: 64, codec: .float32)
        let both = weights()
        for node in [high, wide, high] {
            #expect(try bytes(both.packed(node, .block)) == bytes(weights().packed(node, .block)))
        }
    }

    /// What walks over a description finds every tensor that its parts read: else cuts would rename or lose some.
    @Test(arguments: Fixtures.families + Fixtures.visionFamilies + Fixtures.towerFamilies)
    func descriptionsNameAllTensors(_ family: String) throws {
        for tower in Fixtures.towerFamilies.contains(family) ? [Tower.text, .vision] : [nil] {
            let network = try openNetwork("\(family)/base", tower: tower)
            let architecture = network.weights.architecture
            let named = architecture.tensorNamesBesideBlocks.union(architecture.blocks.flatMap(\.node.tensorNames))
            let used = try architecture.tensors(in: network.weights.checkpoint).map(\.name)
            #expect(named == Set(used))
        }
    }
}
