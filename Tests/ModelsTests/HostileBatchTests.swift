import NestlingBasics
import NestlingBlocks
import NestlingModels
import NestlingTestSupport
import Testing

/// Batches and requests that cannot be meant: refused by name, whatever the family; and the runner goes on.
@Suite struct HostileBatchTests {
    private static func refusal(
        _ network: Network, ids: [Int32], types: [Int32] = [], offsets: [Int],
        _ request: Request = .vectors(VectorOptions())
    ) -> Failure? {
        failure {
            try ids.withUnsafeBufferPointer { ids in
                try types.withUnsafeBufferPointer { types in
                    try offsets.withUnsafeBufferPointer { offsets in
                        try ResultShape(
                            Batch(ids: ids, types: types, offsets: offsets), request, reducer: nil, network
                        ).elementCount()
                    }
                }
            }
        }
    }

    @Test(arguments: Fixtures.families) func batches(_ family: String) throws {
        let network = try openNetwork("\(family)/base")
        let vocabulary = Int32(network.weights.embedding.vocabularySize)
        func expectRefusal(
            _ ids: [Int32], _ offsets: [Int], types: [Int32] = [], names: String...,
            sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let failure = Self.refusal(network, ids: ids, types: types, offsets: offsets)
            #expect(failure?.kind == .invalidArgument, sourceLocation: sourceLocation)
            for name in names {
                #expect(
                    failure?.message.contains(name) == true, "\(failure?.message ?? "accepted")",
                    sourceLocation: sourceLocation)
            }
        }
        for id in [-1, vocabulary, Int32.min, Int32.max] {
            expectRefusal([4, 5, 6, id], [0, 1, 4], names: "\(id)", "position 2", "sequence 1", "\(vocabulary)")
        }
        expectRefusal([4, 5], [0, 1, 1, 2], names: "sequence 1")
        expectRefusal([4, 5], [0, 0], names: "sequence 0")
        expectRefusal([4, 5, 6], [0, 2, 1, 3], names: "2", "1")
        expectRefusal([4, 5, 6], [0, 4], names: "4", "3")
        expectRefusal([4, 5, 6], [0, .max], names: "sequence 0")
        expectRefusal([4, 5, 6], [0, -1], names: "-1")
        expectRefusal([4, 5, 6], [0, .min], names: "offsets")
        expectRefusal([4, 5, 6], [1, 3], names: "0", "1")
        expectRefusal([4, 5, 6], [-1, 3], names: "-1")
        expectRefusal([4, 5, 6], [], names: "offsets")
        let types = Int32(max(1, network.weights.embedding.tokenTypes))
        for type in [-1, types, Int32.min, Int32.max] {
            expectRefusal([4, 5], [0, 2], types: [0, type], names: "\(type)", "position 1", "type")
        }
        expectRefusal([4, 5], [0, 2], types: [0], names: "1", "2", "type")
        if let most = network.weights.embedding.maximumTokens {
            let long = [Int32](repeating: 4, count: most + 1)
            expectRefusal(long, [0, most + 1], names: "\(most)", "\(most + 1)")
            #expect(Self.refusal(network, ids: long, offsets: [0, most]) == nil)
        }
        #expect(try network.runner().run(TokenSequences([]), .vectors(VectorOptions())) == [])
    }

    @Test func requests() throws {
        let network = try openNetwork("bert/base")
        func kind(_ request: Request) -> Failure.Kind? {
            Self.refusal(network, ids: [4, 5], offsets: [0, 2], request)?.kind
        }
        for layer in [-1, network.blocks.count + 1, .min, .max] {
            #expect(kind(.states(layer: layer, unmerged: false)) == .invalidArgument)
        }
        for head in HeadKind.allCases { #expect(kind(.scores(head, unmerged: false)) == .notFound) }
        for dimensions in [0, -1, 65, Int.max, Int.min] {
            var options = VectorOptions()
            options.dimensions = dimensions
            #expect(kind(.vectors(options)) == .invalidArgument)
        }
        var options = VectorOptions()
        options.skippedTokens = -1
        #expect(kind(.vectors(options)) == .invalidArgument)
        // More than there are: nothing is left out.
        options.skippedTokens = .max
        let sequences = TokenSequences(for: network, lengths: [1, 4], seed: 1)
        let whole = try network.runner().run(sequences, .vectors(VectorOptions()))
        for (found, expected) in zip(try network.runner().run(sequences, .vectors(options)), whole) {
            #expect(Agreement.relativeError(found, expected) <= 1e-6)
        }
    }

    @Test func leavingOutAPrompt() throws {
        let network = try openNetwork("bert/base")
        let sequences = TokenSequences(for: network, lengths: [2, 3, 9], seed: 1)
        let size = network.hiddenSize
        let states = try network.runner().run(sequences, .states(layer: network.blocks.count, unmerged: false))
        for pooling in [Pooling.mean, .max, .weightedMean, .meanSquareRootLength] {
            var options = VectorOptions()
            options.pooling = pooling
            options.skippedTokens = 2
            let vectors = try network.runner().run(sequences, .vectors(options))
            for (vector, rows) in zip(vectors, states) {
                let count = rows.count / size
                let counted = (count > 2 ? 2 : 0)..<count
                let expected = (0..<size).map { column -> Float in
                    let values = counted.map { Double(rows[$0 * size + column]) }
                    switch pooling {
                    case .max: return Float(values.max() ?? 0)
                    case .weightedMean:
                        let weights = counted.map { Double($0 + 1) }
                        return Float(zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 } / weights.reduce(0, +))
                    case .meanSquareRootLength: return Float(values.reduce(0, +) / Double(values.count).squareRoot())
                    default: return Float(values.reduce(0, +) / Double(values.count))
                    }
                }
                #expect(Agreement.relativeError(vector, expected) <= 1e-5, "\(pooling)")
            }
        }
    }

    /// Weights that are no numbers give results that are none, and maps nevertheless.
    @Test func weightsThatAreNoNumbers() throws {
        for bad in [Float.nan, .infinity, 0] {
            var checkpoint = try TinyCheckpoint(fixture: "bert/base")
            for (name, values) in checkpoint.tensors where name.contains("attention.self.key") {
                let elements = Array(repeating: bad, count: values.elements.count)
                checkpoint.tensors[name] = .init(shape: values.shape, elements: elements)
            }
            let network = try checkpoint.network()
            let sequences = TokenSequences(for: network, lengths: [1, 2, 9, 20], seed: 1)
            let reducer = try Reducers.reducer(json: #"{"method":"tome","r":3}"#)
            let runner = network.runner()
            let states = try runner.run(
                sequences, .states(layer: network.blocks.count, unmerged: false), reducer: reducer)
            let maps = try runner.maps(sequences)
            for (state, map) in zip(states, maps) {
                #expect(Int(map.max() ?? 0) == state.count / network.hiddenSize - 1)
            }
        }
    }
}
