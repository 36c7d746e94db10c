import NestlingBasics

/// The rewriting rules that a SentencePiece model carries: a double-array trie over UTF-8 and the texts it leads to.
/// Source: `normalizer.cc` and `darts.h` of google/sentencepiece.
struct CharacterMap: Sendable {
    private let units: [UInt32]
    /// The texts that rules lead to, each up to a NUL.
    let texts: [UInt8]

    /// Reads a `precompiled_charsmap`; `path` says in messages where it stands.
    init(_ bytes: [UInt8], path: String) throws(Failure) {
        guard bytes.count >= 4 else { throw Failure(.corrupt, "\(path): expected a trie and its texts") }
        func word(_ position: Int) -> UInt32 {
            UInt32(bytes[position]) | UInt32(bytes[position + 1]) << 8 | UInt32(bytes[position + 2]) << 16
                | UInt32(bytes[position + 3]) << 24
        }
        let count = Int(word(0)) / 4
        guard count <= (bytes.count - 4) / 4 else {
            throw Failure(.corrupt, "\(path): a trie of \(count) units does not fit into \(bytes.count) bytes")
        }
        units = (0..<count).map { word(4 + 4 * $0) }
        texts = Array(bytes[(4 + 4 * count)...])
        if let position = texts.withUnsafeBufferPointer({ UTF8Text.firstInvalidByte($0) }) {
            throw Failure(.corrupt, "\(path): byte \(position) of the texts is not UTF-8")
        }
    }

    private static func offset(_ unit: UInt32) -> UInt32 { (unit >> 10) << ((unit & (1 << 9)) >> 6) }

    /// Walks over `bytes`; `found` gets how many bytes each rule replaces and where its text begins, the shortest rule
    /// first, until it returns false.
    @inline(__always)
    private func walk(_ bytes: UnsafeBufferPointer<UInt8>, _ found: (_ length: Int, _ start: Int) -> Bool) {
        guard let root = units.first else { return }
        var place = Int(Self.offset(root))
        for (index, byte) in bytes.enumerated() {
            if byte == 0 { return }
            place ^= Int(byte)
            guard place < units.count else { return }
            let unit = units[place]
            if unit & (1 << 31 | 0xFF) != UInt32(byte) { return }
            place ^= Int(Self.offset(unit))
            if unit >> 8 & 1 == 1 {
                guard place < units.count else { return }
                if !found(index + 1, Int(units[place] & (1 << 31 - 1))) { return }
            }
        }
    }

    /// The text that begins at `start`, as a range of ``texts``, or nil if none can begin there.
    private func text(at start: Int) -> Range<Int>? {
        guard start <= texts.count, start == texts.count || texts[start] & 0xC0 != 0x80 else { return nil }
        var end = start
        while end < texts.count, texts[end] != 0 { end += 1 }
        return start..<end
    }

    /// What the shortest rule at the beginning of `bytes` leads to, or nil.
    func shortest(_ bytes: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
        var start = -1
        walk(bytes) { _, found in
            start = found
            return false
        }
        return start < 0 ? nil : text(at: start)
    }

    /// How many bytes the longest rule at the beginning of `bytes` replaces, and what it leads to, or nil.
    func longest(_ bytes: UnsafeBufferPointer<UInt8>) -> (length: Int, text: Range<Int>)? {
        var (longest, start) = (0, 0)
        walk(bytes) { length, found in
            (longest, start) = (length, found)
            return true
        }
        return longest == 0 ? nil : text(at: start).map { (longest, $0) }
    }
}
