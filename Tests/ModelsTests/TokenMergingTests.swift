import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingModels
import NestlingTestSupport
import Testing

/// Token merging against the NumPy implementation of Tests/Reference: every case of `tome.json`, all chosen sequences in
/// one ragged batch. Maps and counts are equal; states and vectors differ by at most 1e-4, relatively.
@Suite struct TokenMergingTests {
    struct Case: Sendable, CustomStringConvertible {
        let directory: String
        let name: String
        let reduction: String
        let chosen: [Int]
        var description: String { "\(directory) \(name)" }
    }

    static let cases: [Case] = ["bert/base", "modernbert/base", "mpnet/base"].flatMap { directory -> [Case] in
        guard let json = try? DirectorySource(path: Fixtures.path(directory)).json("tome.json") else { return [] }
        return (json.object?.members ?? []).map { name, value in
            Case(
                directory: directory, name: name, reduction: value["reduction"]?.serialized() ?? "",
                chosen: value["sequences"]?.array?.compactMap(\.int) ?? [])
        }
    }

    static let tolerance = 1e-4

    @Test func allCasesAreFound() { #expect(Self.cases.count == 22) }

    @Test(arguments: cases) func agrees(_ test: Case) throws {
        let golden = try Golden(test.directory, file: "tome.safetensors")
        let network = try openNetwork(test.directory)
        let sequences = try TokenSequences(golden, for: network)[test.chosen]
        let reducer = try Reducers.reducer(json: test.reduction)
        let runner = network.runner()
        let layers = network.blocks.count
        var compared = 0
        for layer in 1...layers {
            let key = layer == layers ? "" : ".\(layer)"
            guard let offsets = golden.integers("\(test.name).offsets\(key)")?.map(Int.init) else { continue }
            let states = try runner.run(sequences, .states(layer: layer, unmerged: false), reducer: reducer)
            let maps = try runner.maps(sequences)
            #expect(states.map { $0.count / network.hiddenSize } == zip(offsets, offsets.dropFirst()).map { $1 - $0 })
            #expect(maps.flatMap { $0 } == golden.integers("\(test.name).map\(key)"), "layer \(layer)")
            #expect(try runner.maps(sequences, layer: layer) == maps)
            // The planned counts are the real ones.
            for (index, sequence) in sequences.ids.enumerated() {
                let planned = reducer.remainingTokens(sequence.count, layers: layers)
                #expect(planned[layer - 1] == states[index].count / network.hiddenSize)
            }
            // Per layer, goldens hold the states of short sequences only.
            let expected = try #require(golden.floats("\(test.name).states\(key)"))
            let found = zip(states, sequences.ids).filter { layer == layers || $1.count <= 20 }.flatMap { $0.0 }
            #expect(Agreement.relativeError(found, expected) <= Self.tolerance, "states of layer \(layer)")
            // Sizes are how often the map names a row.
            if layer == layers, let sizes = golden.integers("\(test.name).sizes") {
                let counted = maps.flatMap { map in
                    (0...(map.max() ?? 0)).map { row in Int32(map.count { $0 == row }) }
                }
                #expect(counted == sizes)
            }
            // Unmerged: each original token has the row of the token that it is part of, to the bit.
            let unmerged = try runner.run(sequences, .states(layer: layer, unmerged: true), reducer: reducer)
            for index in sequences.ids.indices {
                let size = network.hiddenSize
                let restored = maps[index].flatMap { states[index][Int($0) * size..<(Int($0) + 1) * size] }
                #expect(unmerged[index] == restored)
            }
            compared += 1
        }
        #expect(compared >= 1)
    }

    static let poolings: [(name: String, pooling: Pooling)] = [
        ("cls", .cls), ("max", .max), ("mean", .mean), ("mean_sqrt_len_tokens", .meanSquareRootLength),
        ("weightedmean", .weightedMean), ("lasttoken", .last),
    ]

    @Test(arguments: cases) func pools(_ test: Case) throws {
        let golden = try Golden(test.directory, file: "tome.safetensors")
        let network = try openNetwork(test.directory)
        let sequences = try TokenSequences(golden, for: network)[test.chosen]
        let reducer = try Reducers.reducer(json: test.reduction)
        let runner = network.runner()
        var compared = 0
        for (name, pooling) in Self.poolings {
            var options = VectorOptions()
            options.pooling = pooling
            options.normalizes = false
            let vectors = try runner.run(sequences, .vectors(options), reducer: reducer)
            if let expected = golden.floats("\(test.name).pooled.\(name)") {
                #expect(Agreement.relativeError(vectors.flatMap { $0 }, expected) <= Self.tolerance, "\(name)")
                compared += 1
            }
            // A vector is that of the unmerged rows, whatever was protected.
            let rows = try runner.run(sequences, .states(layer: network.blocks.count, unmerged: true), reducer: reducer)
            for (vector, rows) in zip(vectors, rows) {
                let expected = pooled(rows, pooling, columns: network.hiddenSize)
                #expect(Agreement.relativeError(vector, expected) <= 1e-6, "\(name)")
            }
        }
        #expect(compared >= 1)
    }

    /// Pooling by its definition.
    private func pooled(_ states: [Float], _ pooling: Pooling, columns: Int) -> [Float] {
        let count = states.count / columns
        func row(_ index: Int) -> ArraySlice<Float> { states[index * columns..<(index + 1) * columns] }
        switch pooling {
        case .cls: return Array(row(0))
        case .last: return Array(row(count - 1))
        case .max: return (0..<columns).map { column in (0..<count).map { states[$0 * columns + column] }.max() ?? 0 }
        case .mean, .weightedMean, .meanSquareRootLength:
            let weights = (0..<count).map { pooling == .weightedMean ? Double($0 + 1) : 1 }
            let total = weights.reduce(0, +)
            return (0..<columns).map { column in
                let sum = (0..<count).reduce(0.0) { $0 + weights[$1] * Double(states[$1 * columns + column]) }
                return Float(sum / (pooling == .meanSquareRootLength ? total.squareRoot() : total))
            }
        }
    }

    @Test(arguments: ["albert", "bert", "distilbert", "gte", "modernbert", "mpnet", "roberta"])
    func aloneOrInABatch(_ family: String) throws {
        let network = try openNetwork("\(family)/base")
        let sequences = TokenSequences(for: network, lengths: [1, 2, 3, 4, 5, 6, 7, 16, 33, 48], seed: 3)
        let request = Request.states(layer: network.blocks.count, unmerged: false)
        for text in [#"{"method":"tome","r":3}"#, #"{"method":"tome","ratio":0.4}"#] {
            let reducer = try Reducers.reducer(json: text)
            _ = try network.expectSameBitsInAnyBatch(sequences, request, reducer: reducer, text)
        }
    }

    @Test(arguments: ["bert", "modernbert"]) func nothingToRemoveIsNoReduction(_ family: String) throws {
        let network = try openNetwork("\(family)/base")
        let sequences = TokenSequences(for: network, lengths: [1, 2, 5, 17, 33], seed: 4)
        let runner = network.runner()
        for request in [Request.states(layer: network.blocks.count, unmerged: false), .vectors(VectorOptions())] {
            let whole = try runner.run(sequences, request)
            for text in [#"{"method":"tome","r":0}"#, #"{"method":"tome","r":[]}"#, #"{"method":"tome","ratio":1}"#] {
                let reducer = try Reducers.reducer(json: text)
                #expect(try runner.run(sequences, request, reducer: reducer) == whole, "\(text)")
                #expect(try runner.maps(sequences) == sequences.ids.map { Array(0..<Int32($0.count)) })
            }
        }
    }

    @Test func scoresOfMergedTokens() throws {
        let network = try openNetwork("bert/token-classification")
        let sequences = TokenSequences(for: network, lengths: [1, 9, 16], seed: 5)
        let reducer = try Reducers.reducer(json: #"{"method":"tome","r":2}"#)
        let runner = network.runner()
        let merged = try runner.run(sequences, .scores(.tokenClassification, unmerged: false), reducer: reducer)
        let maps = try runner.maps(sequences)
        let restored = try runner.run(sequences, .scores(.tokenClassification, unmerged: true), reducer: reducer)
        let labels = try network.weights.head(.tokenClassification).outputs
        for index in 0..<sequences.count {
            #expect(restored[index].count == sequences.ids[index].count * labels)
            #expect(restored[index] == maps[index].flatMap { merged[index][Int($0) * labels..<(Int($0) + 1) * labels] })
        }
        #expect(merged[2].count < restored[2].count)
    }

    /// A map of what ran: no run, a run that ends early, no tokens, a run that failed.
    @Test func mapsOfOtherRuns() throws {
        let network = try openNetwork("bert/base")
        let runner = network.runner()
        func kind(layer: Int?) -> Failure.Kind? { failure { try runner.tokenMap(layer: layer) }?.kind }
        #expect(kind(layer: nil) == .notFound)
        let sequences = TokenSequences(for: network, lengths: [5, 9], seed: 6)
        let own = sequences.ids.map { Array(0..<Int32($0.count)) }
        let reducer = try Reducers.reducer(json: #"{"method":"tome","r":1}"#)
        _ = try runner.run(sequences, .states(layer: 0, unmerged: false), reducer: reducer)
        #expect(try runner.maps(sequences) == own)
        _ = try runner.run(sequences, .states(layer: 1, unmerged: false), reducer: reducer)
        #expect(try runner.maps(sequences) != own)
        #expect(kind(layer: 2) == .invalidArgument)
        #expect(kind(layer: 0) == .invalidArgument)
        #expect(kind(layer: 4) == .invalidArgument)
        #expect(kind(layer: -1) == .invalidArgument)
        _ = try runner.run(TokenSequences([]), .states(layer: 3, unmerged: false), reducer: reducer)
        #expect(try runner.tokenMap(layer: nil) == [])
        _ = try runner.run(sequences, .states(layer: 3, unmerged: false))
        #expect(try runner.maps(sequences) == own)
        #expect(try runner.maps(sequences, layer: 2) == own)
    }
}
