import NestlingBlocks
import NestlingCheckpoints
import NestlingImages
import NestlingTestSupport
import NestlingTensors
import Testing

@testable import NestlingModels

/// Results that are made of few tokens run the last layer for these alone. They are what they would be of all hidden states, bit
/// for bit.
@Suite struct RowsReadTests {
    static let lengths = [1, 2, 3, 1, 12, 15, 16, 17, 33, 5, 100, 150, 2, 64, 9]

    /// What `request` asks for, of the hidden states of whole sequences.
    static func expected(
        _ request: Request, of states: [[Float]], ids: [[Int32]], _ network: Network
    ) throws -> [[Float]] {
        try states.enumerated().map { index, states in
            let rows = states.count / network.hiddenSize
            let sequence = ids.isEmpty ? [] : ids[index]
            let context = ForwardContext(threads: 1, memoryLimit: 0)
            return try sequence.withUnsafeBufferPointer { ids in
                context.begin(
                    .tokens(ids: ids, types: UnsafeBufferPointer(start: nil, count: 0)), offsets: [0, rows])
                try context.workspace.reserve(floats: 1 << 22)
                var states = states
                return try states.withUnsafeMutableBufferPointer { states in
                    let stream = Matrix(try #require(states.baseAddress), rows: rows, columns: network.hiddenSize)
                    return try result(request, stream, network, context)
                }
            }
        }
    }

    private static func result(
        _ request: Request, _ stream: Matrix, _ network: Network, _ context: ForwardContext
    ) throws -> [Float] {
        var columns = 0
        var head: Head?
        switch request {
        case .vectors(let options): columns = options.dimensions(of: network)
        case .scores(let kind, _):
            head = try network.weights.head(kind)
            columns = head?.outputs ?? 0
        case .states: break
        }
        var result = [Float](repeating: .nan, count: columns)
        try result.withUnsafeMutableBufferPointer { result in
            let output = Matrix(try #require(result.baseAddress), rows: 1, columns: columns)
            if case .vectors(let options) = request {
                try network.weights.pipeline.apply(stream, into: output, options, context)
            } else {
                try head?.apply(stream, into: output, context)
            }
        }
        return result
    }

    /// Vectors of every pooling, and the scores of whole sequences.
    static func requests(_ network: Network) throws -> [Request] {
        let poolings = Pooling.allCases.compactMap { pooling -> Request? in
            var options = VectorOptions()
            options.pooling = pooling
            options.normalizes = false
            return (try? options.check(network)) == nil ? nil : .vectors(options)
        }
        let heads = try network.weights.architecture.heads.keys.filter { try !network.weights.head($0).isPerToken }
        return [.vectors(VectorOptions())] + poolings + heads.map { .scores($0, unmerged: false) }
    }

    private func check(_ network: Network, _ what: String) throws {
        let sequences = TokenSequences(for: network, lengths: Self.lengths, seed: 4)
        let runner = network.runner(threads: 2)
        let states = try runner.run(sequences, .states(layer: network.blocks.count, unmerged: false))
        for request in try Self.requests(network) {
            let expected = try Self.expected(request, of: states, ids: sequences.ids, network)
            expectSameBits(try runner.run(sequences, request), expected, "\(what) \(request)")
        }
    }

    @Test(arguments: GoldenTests.checkpoints) func texts(_ directory: String) throws {
        try check(openNetwork(directory), directory)
    }

    @Test(arguments: ["bert/base", "gpt2/base", "modernbert/base"]) func inFewerBits(_ directory: String) throws {
        for codec in [Codec.bfloat16, .int8, .int4] {
            let description = try CheckpointDescription(CheckpointPath.open(Fixtures.path(directory)))
            try check(Network(loading: description, as: codec, progress: nil), "\(directory) \(codec)")
        }
    }

    @Test(arguments: Fixtures.towerFamilies) func textTowers(_ family: String) throws {
        try check(openNetwork("\(family)/base", tower: .text), family)
    }

    @Test(arguments: VisionGoldenTests.checkpoints) func images(_ directory: String) throws {
        let network = try openNetwork(directory)
        let images = try FixtureImages.load()
        let runner = network.runner(threads: 2)
        let states = try runner.run(images, .states(layer: network.blocks.count, unmerged: false))
        for request in try Self.requests(network) {
            let expected = try Self.expected(request, of: states, ids: [], network)
            expectSameBits(try runner.run(images, request), expected, "\(directory) \(request)")
        }
    }

    /// Reductions that end before the last layer, that reach it, and that change what is read: the vector is that of the token's
    /// row, and every layer's map is the one that hidden states have.
    @Test(
        arguments: ReducersTests.methods + [
            #"{"method":"tome","r":3}"#, #"{"method":"tome","r":3,"layers":[1]}"#,
            #"{"method":"tome","r":3,"protect":"none"}"#, #"{"method":"tofu","r":3,"protect":"last"}"#,
        ], ["bert/base", "modernbert/base", "mpnet/base"])
    func reduced(_ text: String, _ directory: String) throws {
        let network = try openNetwork(directory)
        let sequences = TokenSequences(for: network, lengths: [1, 2, 3, 4, 9, 16, 33, 48, 48], seed: 3)
        let reducer = try Reducers.reducer(json: text)
        let runner = network.runner(threads: 2)
        let layers = network.blocks.count
        let states = try runner.run(sequences, .states(layer: layers, unmerged: true), reducer: reducer)
        let maps = try (1...layers).map { try runner.maps(sequences, layer: $0) }
        for pooling in [Pooling.cls, .last] {
            var options = VectorOptions()
            options.pooling = pooling
            options.normalizes = false
            let vectors = try runner.run(sequences, .vectors(options), reducer: reducer)
            #expect(try (1...layers).map { try runner.maps(sequences, layer: $0) } == maps, "\(text)")
            for (index, vector) in vectors.enumerated() {
                let token = pooling == .cls ? 0 : sequences.ids[index].count - 1
                // Pruned: the vector is that of another row.
                if maps[layers - 1][index][token] < 0 { continue }
                let row = Array(states[index][token * network.hiddenSize..<(token + 1) * network.hiddenSize])
                // A token that is spread over several rows is the sum of their shares, which is taken in another order.
                if reducer.mixes {
                    #expect(Agreement.relativeError(vector, row) < 1e-6)
                } else {
                    expectSameBits([vector], [row], "\(text) \(pooling) of sequence \(index)")
                }
            }
        }
    }

    /// What was reserved is enough where a layer keeps nearly all of its rows, too.
    @Test func shortSequences() throws {
        let network = try openNetwork("bert/base")
        for lengths in [[1], [2], [1, 2], Array(repeating: 2, count: 40), Array(repeating: 1, count: 9) + [2]] {
            let sequences = TokenSequences(for: network, lengths: lengths, seed: 1)
            var options = VectorOptions()
            options.pooling = .cls
            let vectors = try network.runner(threads: 1).run(sequences, .vectors(options))
            #expect(vectors.count == lengths.count)
        }
    }
}
