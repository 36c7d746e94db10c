/// Remembers, within one call, which tokens a word became, by where in the token list they are: a word that comes again
/// is copied instead of spelled again. Words are few and texts are long.
///
/// The cache has a fixed number of places; a new word takes the place of an older one with the same hash. It belongs to
/// one call, so threads share nothing.
struct WordCache {
    private struct Entry {
        var start = 0
        var length: Int32 = -1
        var count: Int32 = 0
        var firstToken = 0
    }

    /// Longer words hardly come twice.
    static let longestWord = 256
    private var entries: [Entry]
    private let mask: Int

    /// A cache for a text of `pieces` words; for a few words it is not worth having.
    init(pieces: Int) {
        var capacity = pieces < 64 ? 1 : 1024
        while capacity < pieces, capacity < 1 << 14 { capacity *= 2 }
        entries = [Entry](repeating: Entry(), count: capacity)
        mask = capacity - 1
    }

    /// Copies the tokens of the word `start ..< end` if it came before; otherwise calls `spell` and remembers.
    @inline(__always)
    mutating func tokens(
        of text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, word: Int, _ tokens: inout TokenList,
        spell: (inout TokenList) -> Bool
    ) -> Bool {
        let length = end - start
        guard mask > 0, length <= Self.longestWord, let base = text.baseAddress else { return spell(&tokens) }
        let bytes = UnsafeBufferPointer(start: base + start, count: length)
        let slot = Int(truncatingIfNeeded: ByteHash.hash(bytes)) & mask
        let entry = entries[slot]
        if Int(entry.length) == length, ByteHash.isEqual(base + entry.start, base + start, length) {
            for index in entry.firstToken..<entry.firstToken + Int(entry.count) {
                tokens.append(
                    tokens.ids[index], tokens.starts[index] - entry.start + start,
                    tokens.ends[index] - entry.start + start, word: word)
            }
            return true
        }
        let first = tokens.ids.count
        guard spell(&tokens) else { return false }
        entries[slot] = Entry(
            start: start, length: Int32(truncatingIfNeeded: length),
            count: Int32(truncatingIfNeeded: tokens.ids.count - first), firstToken: first)
        return true
    }
}

/// Hashing and comparing runs of bytes, eight at a time.
enum ByteHash {
    @inline(__always)
    static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: bytes.count)
        guard let start = bytes.baseAddress else { return state }
        let base = UnsafeRawPointer(start)
        let count = bytes.count
        @inline(__always) func mix(_ word: UInt64) {
            let product = (state ^ word).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
            state = product.high ^ product.low
        }
        var position = 0
        while position + 8 <= count {
            mix(base.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            position += 8
        }
        var rest: UInt64 = 0
        while position < count {
            rest = rest << 8 | UInt64(start[position])
            position += 1
        }
        mix(rest)
        return state
    }

    @inline(__always)
    static func isEqual(_ left: UnsafePointer<UInt8>, _ right: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        var position = 0
        let (a, b) = (UnsafeRawPointer(left), UnsafeRawPointer(right))
        while position + 8 <= count {
            if a.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                != b.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            {
                return false
            }
            position += 8
        }
        while position < count {
            if left[position] != right[position] { return false }
            position += 1
        }
        return true
    }
}
