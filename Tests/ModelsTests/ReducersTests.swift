import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingModels
import NestlingTestSupport
import Testing

/// Every method of reduction against the NumPy implementations of Tests/Reference: each case of `reducers.json`, all sequences
/// in one ragged batch. Counts and maps of every layer are equal; states, unmerged states and means differ by at most 1e-4.
@Suite struct ReducersTests {
    static let cases: [TokenMergingTests.Case] = ["bert/base", "modernbert/base", "mpnet/base"].flatMap { directory in
        let json = try? DirectorySource(path: Fixtures.path(directory)).json("reducers.json")
        return (json?.object?.members ?? []).map { name, value in
            TokenMergingTests.Case(directory: directory, name: name, reduction: value.serialized(), chosen: [])
        }
    }

    static let tolerance = 1e-4

    @Test func allCasesAreFound() { #expect(Self.cases.count == 25) }

    @Test(arguments: cases) func agrees(_ test: TokenMergingTests.Case) throws {
        let golden = try Golden(test.directory, file: "reducers.safetensors")
        let network = try openNetwork(test.directory)
        let sequences = try TokenSequences(golden, for: network)
        let reducer = try Reducers.reducer(json: test.reduction)
        let runner = network.runner()
        let layers = network.blocks.count
        func expected(_ key: String) throws -> [Float] { try #require(golden.floats("\(test.name).\(key)")) }

        let states = try runner.run(sequences, .states(layer: layers, unmerged: false), reducer: reducer)
        let offsets = try #require(golden.integers("\(test.name).offsets")).map(Int.init)
        #expect(states.map { $0.count / network.hiddenSize } == zip(offsets, offsets.dropFirst()).map { $1 - $0 })
        for layer in 1...layers {
            let maps = try runner.maps(sequences, layer: layer)
            #expect(maps.flatMap { $0 } == golden.integers("\(test.name).map.\(layer)"), "layer \(layer)")
            // The planned counts are the real ones.
            for (map, ids) in zip(maps, sequences.ids) {
                let planned = reducer.remainingTokens(ids.count, layers: layers)[layer - 1]
                #expect(
                    try runner.run(TokenSequences([ids]), .states(layer: layer, unmerged: false), reducer: reducer)[0]
                        .count == planned * network.hiddenSize)
                #expect((map.max() ?? 0) < planned)
            }
            _ = try runner.run(sequences, .states(layer: layers, unmerged: false), reducer: reducer)
        }
        #expect(Agreement.relativeError(states.flatMap { $0 }, try expected("states")) <= Self.tolerance)
        let unmerged = try runner.run(sequences, .states(layer: layers, unmerged: true), reducer: reducer)
        #expect(Agreement.relativeError(unmerged.flatMap { $0 }, try expected("unmerged")) <= Self.tolerance)
        var options = VectorOptions()
        options.pooling = .mean
        options.normalizes = false
        let means = try runner.run(sequences, .vectors(options), reducer: reducer)
        #expect(Agreement.relativeError(means.flatMap { $0 }, try expected("pooled.mean")) <= Self.tolerance)
    }

    /// One of each method, with what is special about it.
    static let methods = [
        #"{"method":"pitome","r":3}"#, #"{"method":"evit","keep":0.6}"#, #"{"method":"evit","r":3,"fuse":false}"#,
        #"{"method":"attention_received","ratio":0.4}"#, #"{"method":"tofu","r":3}"#,
        #"{"method":"local","r":3,"band":2}"#,
        #"{"method":"local","r":1000000,"causal":true,"protect":"none"}"#,
        #"{"method":"token_transforming","keep":0.7,"layers":[1,2]}"#,
        #"{"method":"token_transforming","r":3,"protect":"none"}"#, #"{"method":"maelre","r":3,"exact":9,"groups":4}"#,
    ]

    @Test(arguments: methods, ["alibi", "bert", "gte", "modernbert", "mpnet"])
    func aloneOrInABatch(_ text: String, _ family: String) throws {
        let network = family == "alibi" ? try MadeUpNetwork.checkpoint().network() : try openNetwork("\(family)/base")
        let sequences = TokenSequences(for: network, lengths: [1, 2, 3, 4, 5, 6, 7, 16, 33, 48], seed: 3)
        let reducer = try Reducers.reducer(json: text)
        for request in [false, true].map({ Request.states(layer: network.blocks.count, unmerged: $0) })
            + Pooling.allCases.map({ pooling in
                var options = VectorOptions()
                options.pooling = pooling
                return .vectors(options)
            })
        {
            let together = try network.expectSameBitsInAnyBatch(sequences, request, reducer: reducer, text)
            let areFinite = together.allSatisfy { $0.allSatisfy(\.isFinite) }
            #expect(areFinite)
        }
    }

    /// Mass is kept by all that does not prune; tokens that are not protected never get a protected one's row, and the first
    /// token stays the first.
    @Test(arguments: methods.filter { !$0.contains("none") }) func firstTokenStaysFirst(_ text: String) throws {
        let network = try openNetwork("bert/base")
        let sequences = TokenSequences(for: network, lengths: [1, 2, 3, 9, 20, 33], seed: 8)
        let reducer = try Reducers.reducer(json: text)
        let runner = network.runner()
        let states = try runner.run(sequences, .states(layer: network.blocks.count, unmerged: false), reducer: reducer)
        for (map, rows) in zip(try runner.maps(sequences), states) {
            #expect(map[0] == 0)
            #expect(map.count { $0 == 0 } == 1)
            if !reducer.prunes { #expect(!map.contains(-1)) }
            #expect(Set(map.filter { $0 >= 0 }).count == rows.count / network.hiddenSize || reducer.mixes)
        }
    }

    /// A band as wide as the sequence is ToMe, pair by pair.
    @Test func theWidestBandIsToMe() throws {
        let network = try openNetwork("bert/base")
        let golden = try Golden("bert/base", file: "tome.safetensors")
        let sequences = try TokenSequences(golden, for: network)
        let runner = network.runner()
        for r in [1, 2, 5] {
            let request = Request.states(layer: 1, unmerged: false)
            _ = try runner.run(sequences, request, reducer: Reducers.reducer(json: #"{"method":"tome","r":\#(r)}"#))
            let expected = try runner.maps(sequences)
            let text = #"{"method":"local","r":\#(r),"band":64}"#
            _ = try runner.run(sequences, request, reducer: Reducers.reducer(json: text))
            #expect(try runner.maps(sequences) == expected)
        }
    }

    /// A causal merge stands at its last member: no original token is later than the row that it is in.
    @Test func causalMergesLookBack() throws {
        let network = try openNetwork("modernbert/base")
        let sequences = TokenSequences(for: network, lengths: [2, 3, 9, 20, 33], seed: 8)
        let runner = network.runner()
        let text = #"{"method":"local","r":1000000,"band":3,"causal":true,"protect":"none"}"#
        _ = try runner.run(
            sequences, .states(layer: 1, unmerged: false), reducer: Reducers.reducer(json: text))
        for map in try runner.maps(sequences) {
            let last = Dictionary(map.enumerated().map { ($1, $0) }, uniquingKeysWith: max)
            // Rows in the order of their last members.
            #expect(last.sorted { $0.key < $1.key }.map(\.value) == last.values.sorted())
        }
    }

    /// 10,000 tokens: local merging, and MAELRE, run in memory that grows with the tokens, not with their square.
    @Test(arguments: [#"{"method":"local","ratio":0.1,"band":4}"#, #"{"method":"maelre","ratio":0.1}"#])
    func longSequences(_ text: String) throws {
        let network = try openNetwork("gte/base")
        let reducer = try Reducers.reducer(json: text)
        let request = Request.states(layer: network.blocks.count, unmerged: false)
        func bytes(_ tokens: Int) throws -> Int {
            try network.workspaceFloats(
                StreamExtent(rows: tokens, sequences: 1), request, reducer: ReducerNeeds(reducer)) * 4
        }
        let (one, two) = (try bytes(10_000), try bytes(20_000))
        #expect(two <= 2 * one + 4096 && two > one)
        #expect(one < 10_000 * network.hiddenSize * 4 * 16)
        let sequences = TokenSequences([(0..<10_000).map { Int32($0 * 7919 % 50 + 3) }])
        let states = try network.runner(memoryLimit: one).run(sequences, request, reducer: reducer)
        #expect(states[0].count == reducer.remainingTokens(10_000, in: network.outline).last! * network.hiddenSize)
        #expect(states[0].count < 10_000 * network.hiddenSize / 3)
        let areFinite = states[0].allSatisfy(\.isFinite)
        #expect(areFinite)
    }

    @Test func pruningMoreThanThereIsLeavesWhatIsProtected() throws {
        let network = try openNetwork("bert/base")
        let sequences = TokenSequences(for: network, lengths: [1, 2, 3, 9], seed: 8)
        func left(_ text: String) throws -> [Int] {
            let states = try network.runner().run(
                sequences, .states(layer: 1, unmerged: false), reducer: Reducers.reducer(json: text))
            return states.map { $0.count / network.hiddenSize }
        }
        #expect(try left(#"{"method":"attention_received","r":99}"#) == [1, 2, 2, 2])
        #expect(try left(#"{"method":"attention_received","r":99,"protect":"none"}"#) == [1, 1, 1, 1])
        #expect(try left(#"{"method":"evit","r":99}"#) == [1, 2, 3, 3])
        #expect(try left(#"{"method":"evit","r":99,"fuse":false,"protect":"first"}"#) == [1, 1, 1, 1])
        #expect(try left(#"{"method":"pitome","r":99,"protect":"none"}"#) == [1, 1, 2, 5])
        #expect(try left(#"{"method":"token_transforming","r":99,"protect":[2,3]}"#) == [1, 2, 3, 6])
    }

    @Test(arguments: [
        (#"{"method":"evit","r":1,"protect":"none"}"#, "protect"), (#"{"method":"evit","r":1,"fused":true}"#, "fused"),
        (#"{"method":"evit","r":1,"fuse":1}"#, "fuse"), (#"{"method":"local","r":1,"band":0}"#, "band"),
        (#"{"method":"local","r":1,"margin":0}"#, "margin"), (#"{"method":"pitome","r":1,"margin":2}"#, "margin"),
        (#"{"method":"tofu","r":1,"prune_layers":-1}"#, "prune_layers"), (#"{"method":"pitome","keep":0}"#, "keep"),
        (#"{"method":"pitome","keep":0.5,"r":1}"#, "keep"), (#"{"method":"pitome","keep":0.5,"ratio":1}"#, "ratio"),
        (#"{"method":"tome","r":1,"layers":[0]}"#, "layers"), (#"{"method":"tome","r":1,"layers":4}"#, "layers"),
        (#"{"method":"tome","r":1,"protect":[1]}"#, "protect"),
        (#"{"method":"tome","r":1,"protect":[1,-1]}"#, "protect"),
        (#"{"method":"token_transforming","r":1,"temperature":0}"#, "temperature"),
        (#"{"method":"token_transforming","r":1,"score":"none"}"#, "score"),
        (#"{"method":"maelre","r":1,"exact":0}"#, "exact"),
        (#"{"method":"maelre","r":1,"exact":8,"groups":9}"#, "groups"),
        (#"{"method":"tome","flops":1.5}"#, "flops"), (#"{"method":"tome","flops":0.5,"keep":0.5}"#, "flops"),
        (#"{"method":"attention_received"}"#, "\"r\""),
    ])
    func refuses(_ text: String, _ named: String) throws {
        let failure = try #require(failure { try Reducers.reducer(json: text) })
        #expect(failure.kind == .invalidArgument)
        #expect(failure.message.contains(named), "\(failure.message)")
    }
}
