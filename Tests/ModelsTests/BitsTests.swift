import NestlingBasics
import NestlingBlocks
import NestlingModels
import NestlingTestSupport
import Testing

/// Same tokens, same bits: alone, among fifty others, in slices of 16 tokens, on 1, 2 or 5 threads.
@Suite struct BitsTests {
    /// Lengths around the sizes of tiles and blocks.
    static let lengths = [1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 31, 33, 48, 1, 5, 7, 100, 129, 150, 2, 64, 30, 28, 6, 9]

    /// Every result of a network that does not depend on options.
    static func requests(_ network: Network) -> [Request] {
        (0...network.blocks.count).map { Request.states(layer: $0, unmerged: false) }
            + [.vectors(VectorOptions())]
            + Pooling.allCases.map { pooling in
                var options = VectorOptions()
                options.pooling = pooling
                options.normalizes = true
                return .vectors(options)
            }
            + network.weights.architecture.heads.keys.map { .scores($0, unmerged: false) }
    }

    @Test(arguments: Fixtures.families) func base(_ family: String) throws { try check("\(family)/base") }

    @Test(arguments: GoldenTests.checkpoints.filter { !$0.hasSuffix("/base") }) func heads(_ directory: String) throws {
        let network = try openNetwork(directory)
        let isBare = directory.hasPrefix("bert/") || directory.hasSuffix("/bidirectional")
        #expect(!network.weights.architecture.heads.isEmpty || isBare)
        try check(directory, requests: network.weights.architecture.heads.keys.map { .scores($0, unmerged: false) })
    }

    private func check(_ directory: String, requests: [Request]? = nil) throws {
        let network = try openNetwork(directory)
        let lengths = requests == nil ? Self.lengths + Self.lengths.reversed() : Array(Self.lengths.prefix(18))
        let sequences = TokenSequences(for: network, lengths: lengths, seed: 8)
        let alone = network.runner(threads: 1)
        for request in requests ?? Self.requests(network) {
            let expected = try (0..<sequences.count).flatMap { try alone.run(sequences[$0], request) }
            for threads in [1, 2, 5] {
                let together = try network.runner(threads: threads).run(sequences, request)
                expectSameBits(together, expected, "\(directory) \(request) together, \(threads) threads")
            }
            let sliced = try network.runner(sliceTokens: 16, threads: 2).run(sequences, request)
            expectSameBits(sliced, expected, "\(directory) \(request) in slices")
        }
    }
}
