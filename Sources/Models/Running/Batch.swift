import Basics
import Blocks

/// Sequences of token ids, back to back, as the caller holds them. Valid during one call.
public struct Batch {
    /// All token ids.
    let ids: UnsafeBufferPointer<Int32>
    /// One type id for each token, or empty: all 0.
    let types: UnsafeBufferPointer<Int32>
    /// Sequence `s` is the ids `offsets[s] ..< offsets[s + 1]`.
    let offsets: UnsafeBufferPointer<Int>

    /// Sequences `offsets` of `ids`, not yet checked.
    public init(
        ids: UnsafeBufferPointer<Int32>, types: UnsafeBufferPointer<Int32>, offsets: UnsafeBufferPointer<Int>
    ) {
        self.ids = ids
        self.types = types
        self.offsets = offsets
    }

    /// Number of sequences.
    public var sequences: Int { max(0, offsets.count - 1) }
    /// Number of tokens.
    public var tokens: Int { offsets.last ?? 0 }

    /// Tokens of sequence `sequence`.
    func length(_ sequence: Int) -> Int { offsets[sequence + 1] - offsets[sequence] }

    /// Makes sure that `network` can run every sequence; the failure names the sequence and the position.
    func check(_ network: Network) throws(Failure) {
        let embedding = network.weights.embedding
        guard offsets.first == 0 else {
            throw Failure(
                .invalidArgument, "offsets must begin with 0, found \(offsets.first.map { "\($0)" } ?? "nothing")")
        }
        for sequence in 0..<sequences {
            let (start, end) = (offsets[sequence], offsets[sequence + 1])
            guard end >= start else {
                throw Failure(.invalidArgument, "offsets fall from \(start) to \(end) after sequence \(sequence)")
            }
            guard end <= ids.count else {
                throw Failure(.invalidArgument, "sequence \(sequence) ends at token \(end) of \(ids.count)")
            }
            guard end > start else { throw Failure(.invalidArgument, "sequence \(sequence) has no tokens") }
            if let most = embedding.maximumTokens, end - start > most {
                throw Failure(
                    .invalidArgument,
                    "sequence \(sequence) has \(end - start) tokens, the model's positions allow \(most)")
            }
        }
        guard types.isEmpty || types.count >= tokens else {
            throw Failure(.invalidArgument, "\(types.count) token type ids for \(tokens) tokens")
        }
        try check(ids.prefix(tokens), below: embedding.vocabularySize, "token id", "vocabulary")
        try check(types.prefix(tokens), below: max(1, embedding.tokenTypes), "token type id", "number of token types")
    }

    private func check(
        _ values: Slice<UnsafeBufferPointer<Int32>>, below limit: Int, _ what: String, _ bound: String
    ) throws(Failure) {
        let unsignedLimit = UInt32(clamping: limit)
        guard let index = values.firstIndex(where: { UInt32(bitPattern: $0) >= unsignedLimit }) else { return }
        let sequence = (offsets.firstIndex { $0 > index } ?? 1) - 1
        throw Failure(
            .invalidArgument,
            "\(what) \(values[index]) at position \(index - offsets[sequence]) of sequence \(sequence) is not in 0 ..< \(limit) (\(bound))"
        )
    }

    /// Tokens of the sequences `group`.
    func tokens(_ group: Range<Int>) -> Int { offsets[group.upperBound] - offsets[group.lowerBound] }

    /// Groups of neighbours among the sequences `slice` with at most `limit` tokens together, first to last; a longer
    /// sequence is a group of its own.
    func groups(of slice: Range<Int>, tokens limit: Int) -> [Range<Int>] {
        var groups: [Range<Int>] = []
        var start = slice.lowerBound
        for sequence in slice where offsets[sequence + 1] - offsets[start] > limit && sequence > start {
            groups.append(start..<sequence)
            start = sequence
        }
        if start < slice.upperBound { groups.append(start..<slice.upperBound) }
        return groups
    }
}
