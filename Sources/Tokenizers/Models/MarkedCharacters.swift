/// The entries of a BPE vocabulary that are one character with the markers of its place in the word: a prefix unless it is
/// the first, a suffix if it is the last. Found by the character alone, so that long markers cost nothing.
struct MarkedCharacters: Sendable {
    private var inner = Vocabulary()
    private var last = Vocabulary()
    private var only = Vocabulary()

    /// Finds those of `vocabulary`.
    init(_ vocabulary: Vocabulary, prefix: [UInt8], suffix: [UInt8]) {
        for (token, id) in vocabulary.entries {
            func find(_ prefix: [UInt8], _ suffix: [UInt8]) -> ArraySlice<UInt8>? {
                let length = token.count - prefix.count - suffix.count
                guard (1...4).contains(length), token.starts(with: prefix) else { return nil }
                guard token.suffix(suffix.count).elementsEqual(suffix) else { return nil }
                let character = token.dropFirst(prefix.count).prefix(length)
                return character.first.map(UTF8Text.length(lead:)) == length ? character : nil
            }
            if let character = find(prefix, []) { character.withUnsafeBufferPointer { inner.add($0, id: id) } }
            if let character = find(prefix, suffix) { character.withUnsafeBufferPointer { last.add($0, id: id) } }
            if let character = find([], suffix) { character.withUnsafeBufferPointer { only.add($0, id: id) } }
        }
    }

    /// The id of `character` at its place, or nil; the first of several has no markers and is not here.
    func id(of character: UnsafeBufferPointer<UInt8>, isFirst: Bool, isLast: Bool) -> Int32? {
        isFirst ? only.id(of: character) : isLast ? last.id(of: character) : inner.id(of: character)
    }
}
