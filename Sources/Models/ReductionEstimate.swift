public import NestlingBasics
public import NestlingBlocks

/// What a reduction is expected to gain, known without running anything.
///
/// The gain is that of multiply-adds: `full / (reduced + overhead)`. The overhead of a layer that reduces is what the reducer's
/// signals and its matching multiply, and for what is no product an equivalent in multiply-adds: ``perLayer`` once,
/// ``perToken`` for each token that it looks at (ranking), and ``perElement`` for each element of a token that leaves its row
/// (joining). It holds for sequences of this length alone; a machine's memory and caches are not in it.
public struct ReductionEstimate: Sendable {
    /// Tokens before the first layer, and after each.
    public let tokens: Int
    public let remaining: [Int]
    /// Multiply-adds of the run without reduction, of the reduced one, and of reducing.
    public let full, reduced, overhead: Double

    /// The equivalents, fitted to sequences of 64 to 512 tokens on one thread of a processor with AVX-512.
    static let perLayer = 1_000_000.0
    static let perToken = 50_000.0
    static let perElement = 20.0
    /// What pays is quicker by at least this factor.
    public static let leastGain = 1.02

    /// Of `reducer` on one sequence of `tokens` in `network`.
    public init(_ reducer: any Reducer, tokens: Int, _ network: Network) throws(Failure) {
        try network.checkReducible()
        let outline = network.outline
        self.tokens = tokens
        remaining = reducer.remainingTokens(tokens, in: outline)
        full = outline.multiplyAdds(tokens: tokens)
        reduced = outline.multiplyAdds(tokens: tokens, reducer: reducer)
        var overhead = 0.0
        var count = tokens
        for (layer, left) in zip(outline.layers, remaining) where left < count {
            overhead += Self.perLayer + Self.perToken * Double(count)
            overhead += Self.perElement * Double(count - left) * Double(outline.hiddenSize)
            overhead += reducer.signals.multiplyAdds(layer, tokens: count)
            overhead += reducer.multiplyAdds(
                count, remaining: left, keySize: layer.keySize, hiddenSize: outline.hiddenSize)
            count = left
        }
        self.overhead = overhead
    }

    /// How many times quicker the reduced run is expected to be.
    public var speedUp: Double { reduced + overhead > 0 ? full / (reduced + overhead) : 1 }
    /// Whether it is worth it.
    public var pays: Bool { speedUp >= Self.leastGain }

    /// As `nestling_model_estimate_reduction` gives it.
    public var json: JSON {
        [
            "tokens": .integer(tokens), "remaining": .array(remaining.map { .integer($0) }),
            "multiply_adds": .number(full), "reduced_multiply_adds": .number(reduced),
            "overhead_multiply_adds": .number(overhead), "speed_up": .number(speedUp), "pays": .bool(pays),
        ]
    }
}
