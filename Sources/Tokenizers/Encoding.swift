/// What a text became: token ids, and where each came from. All arrays have one element per token.
public struct Encoding: Sendable, Equatable {
    /// Token ids.
    public var ids: [Int32] = []
    /// Token type ids: which segment a token belongs to.
    public var typeIDs: [Int32] = []
    /// 1 for tokens that post-processing added, 0 for those of the text.
    public var specialTokensMask: [UInt8] = []
    /// The bytes of the original text that each token stands for; `0 ..< 0` for added special tokens. In a pair, the
    /// ranges of the second text count from its own beginning.
    public var offsets: [Range<Int>] = []
    /// The number of the word (piece of the pre-tokenizer) that each token came from; -1 for added special tokens.
    public var wordIDs: [Int32] = []
    /// Which text each token came from: 0 or 1; -1 for added special tokens.
    public var sequenceIDs: [Int8] = []
    /// What truncation cut off, in parts of the same length as this one, overlapping by the stride. Empty if nothing was
    /// cut.
    public var overflowing: [Encoding] = []

    /// White space at the ends of each token, for post-processors that trim offsets; empty if there are none.
    var margins: [TokenMargins] = []

    /// An encoding without tokens.
    public init() {}

    /// How many tokens there are.
    public var count: Int { ids.count }

    /// ``offsets`` counted in characters (Unicode scalars) instead of bytes, as Python's `tokenizers` counts them.
    ///
    /// - Parameters:
    ///   - text: The first text that was encoded, as UTF-8.
    ///   - pair: The second text, if there was one.
    public func characterOffsets(
        in text: UnsafeBufferPointer<UInt8>, pair: UnsafeBufferPointer<UInt8>? = nil
    ) -> [Range<Int>] {
        let counters = [CharacterCounter(text), pair.map(CharacterCounter.init)]
        return offsets.indices.map { index in
            let sequence = Int(sequenceIDs[index])
            guard sequence >= 0, sequence < 2, let counter = counters[sequence] else { return offsets[index] }
            return counter.characters(of: offsets[index])
        }
    }

    mutating func append(
        id: Int32, typeID: Int32, special: Bool, offsets range: Range<Int>, word: Int32, sequence: Int8
    ) {
        ids.append(id)
        typeIDs.append(typeID)
        specialTokensMask.append(special ? 1 : 0)
        offsets.append(range)
        wordIDs.append(word)
        sequenceIDs.append(sequence)
        if !margins.isEmpty { margins.append(TokenMargins()) }
    }

    /// The tokens of `range` alone.
    func part(_ range: Range<Int>) -> Encoding {
        var part = Encoding()
        part.ids = Array(ids[range])
        part.typeIDs = Array(typeIDs[range])
        part.specialTokensMask = Array(specialTokensMask[range])
        part.offsets = Array(offsets[range])
        part.wordIDs = Array(wordIDs[range])
        part.sequenceIDs = Array(sequenceIDs[range])
        if !margins.isEmpty { part.margins = Array(margins[range]) }
        return part
    }
}

/// Turns byte offsets of a text into character offsets: a running count every 64 bytes, the rest counted when asked.
struct CharacterCounter {
    private let text: UnsafeBufferPointer<UInt8>
    private let counts: [Int]

    init(_ text: UnsafeBufferPointer<UInt8>) {
        self.text = text
        var counts: [Int] = []
        counts.reserveCapacity(text.count / 64 + 1)
        var count = 0
        for position in text.indices {
            if position % 64 == 0 { counts.append(count) }
            if text[position] & 0xC0 != 0x80 { count += 1 }
        }
        if text.count % 64 == 0 { counts.append(count) }
        self.counts = counts
    }

    /// The number of the character that the byte at `offset` belongs to, or nil past the end.
    private func character(at offset: Int) -> Int? {
        guard offset >= 0, offset < text.count else { return nil }
        var count = counts[offset / 64] - 1
        for position in offset / 64 * 64...offset where text[position] & 0xC0 != 0x80 { count += 1 }
        return count
    }

    /// The characters of a range of bytes; a range that begins past the end stays as it is, as in the reference.
    func characters(of range: Range<Int>) -> Range<Int> {
        if range.lowerBound == text.count, range.isEmpty {
            let all = (character(at: text.count - 1) ?? -1) + 1
            return all..<all
        }
        guard let start = character(at: range.lowerBound) else { return range }
        let end = character(at: range.upperBound) ?? (character(at: range.upperBound - 1) ?? start + 1) + 1
        return start..<max(start, end)
    }
}
