import NestlingBasics
import NestlingBlocks
import NestlingModels

/// Sequences of token ids, with type ids where the model knows more than one type.
public struct TokenSequences: Sendable {
    /// Token ids of each sequence.
    public var ids: [[Int32]]
    /// Type ids of each sequence; `nil`: all 0.
    public var types: [[Int32]]?

    /// These sequences.
    public init(_ ids: [[Int32]], types: [[Int32]]? = nil) {
        self.ids = ids
        self.types = types
    }

    /// The sequences of a golden file, with type ids if `network` knows any.
    public init(_ golden: Golden, for network: Network) throws {
        guard let ids = golden.integers("ids"), let offsets = golden.integers("offsets") else {
            throw Failure(.notFound, "the golden file has no ids or no offsets")
        }
        let ranges = (0..<offsets.count - 1).map { Int(offsets[$0])..<Int(offsets[$0 + 1]) }
        self.ids = ranges.map { Array(ids[$0]) }
        guard network.weights.embedding.tokenTypes > 1 else { return }
        types = golden.integers("token_type_ids").map { types in ranges.map { Array(types[$0]) } }
    }

    /// Random sequences of `lengths` that `network` can run; the same for the same seed.
    public init(for network: Network, lengths: [Int], seed: UInt64) {
        var generator = SeededGenerator(seed)
        let embedding = network.weights.embedding
        let lengths = lengths.map { min($0, embedding.maximumTokens ?? $0) }
        ids = lengths.map { length in
            (0..<length).map { _ in
                Int32(
                    Int.random(in: min(3, embedding.vocabularySize - 1)..<embedding.vocabularySize, using: &generator))
            }
        }
        guard embedding.tokenTypes > 1 else { return }
        types = lengths.map { length in
            (0..<length).map { _ in Int32(Int.random(in: 0..<embedding.tokenTypes, using: &generator)) }
        }
    }

    /// How many sequences there are.
    public var count: Int { ids.count }

    /// The sequences at `indices`.
    public subscript(indices: some Sequence<Int>) -> TokenSequences {
        let indices = Array(indices)
        return TokenSequences(indices.map { ids[$0] }, types: types.map { types in indices.map { types[$0] } })
    }

    /// The sequence at `index`, alone.
    public subscript(index: Int) -> TokenSequences { self[CollectionOfOne(index)] }
}

/// SplitMix64 (Steele et al., 2014): the same numbers for the same seed, everywhere.
public struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// Begins with `seed`.
    public init(_ seed: UInt64) { state = seed }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number that is about normally distributed, with few bits so that half precision holds it.
    public mutating func normal(_ scale: Float = 1) -> Float {
        let sum = (0..<6).reduce(Float(0)) { sum, _ in sum + Float(Int.random(in: -64...64, using: &self)) / 64 }
        return sum * scale * 0.707
    }
}
