/// What a code point is, as a set of bits: one look-up answers every question a normalizer or pre-tokenizer asks.
struct CharacterClass: OptionSet, Sendable {
    let rawValue: UInt16

    static let bertRemoved = CharacterClass(rawValue: 1 << 0)
    static let whiteSpace = CharacterClass(rawValue: 1 << 1)
    static let punctuation = CharacterClass(rawValue: 1 << 2)
    static let numeric = CharacterClass(rawValue: 1 << 3)
    static let nonspacingMark = CharacterClass(rawValue: 1 << 4)
    static let mark = CharacterClass(rawValue: 1 << 5)
    static let word = CharacterClass(rawValue: 1 << 6)
    static let normalizationActive = CharacterClass(rawValue: 1 << 7)
    static let clusterJoiner = CharacterClass(rawValue: 1 << 8)
    static let clusterPrefix = CharacterClass(rawValue: 1 << 9)
    static let clusterControl = CharacterClass(rawValue: 1 << 10)
    static let pictographic = CharacterClass(rawValue: 1 << 11)
}

/// The classes of all code points: pages of 256, equal pages stored once.
struct CharacterClasses: @unchecked Sendable {
    // Made once per process and never freed or written again, hence safe to share.
    private let pageOf: UnsafeMutablePointer<UInt16>
    private let pages: UnsafeMutablePointer<UInt16>

    /// The table, made on first use.
    static let shared = CharacterClasses()

    private init() {
        let scalars = 0x110000
        var flat = [UInt16](repeating: 0, count: scalars)
        func mark(_ ranges: [UInt32], _ bit: CharacterClass) {
            for position in stride(from: 0, to: ranges.count - 1, by: 2) {
                for scalar in ranges[position]...ranges[position + 1] { flat[Int(scalar)] |= bit.rawValue }
            }
        }
        mark(CharacterRanges.bertRemoved, .bertRemoved)
        mark(CharacterRanges.whiteSpace, .whiteSpace)
        mark(CharacterRanges.punctuation, .punctuation)
        mark(CharacterRanges.numeric, .numeric)
        mark(CharacterRanges.nonspacingMark, .nonspacingMark)
        mark(CharacterRanges.mark, .mark)
        mark(CharacterRanges.word, .word)
        mark(CharacterRanges.normalizationActive, .normalizationActive)
        mark(ClusterRanges.clusterJoiner, .clusterJoiner)
        mark(ClusterRanges.clusterPrefix, .clusterPrefix)
        mark(ClusterRanges.clusterControl, .clusterControl)
        mark(ClusterRanges.pictographic, .pictographic)

        pageOf = .allocate(capacity: scalars / 256)
        var known: [[UInt16]: UInt16] = [:]
        var stored: [UInt16] = []
        for page in 0..<scalars / 256 {
            let content = Array(flat[page * 256..<(page + 1) * 256])
            if let number = known[content] {
                pageOf[page] = number
            } else {
                let number = UInt16(known.count)
                known[content] = number
                pageOf[page] = number
                stored.append(contentsOf: content)
            }
        }
        pages = .allocate(capacity: stored.count)
        pages.initialize(from: stored, count: stored.count)
    }

    /// The class of `scalar`; code points past the last one have none.
    @inline(__always)
    subscript(scalar: UInt32) -> CharacterClass {
        guard scalar < 0x110000 else { return [] }
        let page = Int(pageOf[Int(scalar >> 8)])
        return CharacterClass(rawValue: pages[page << 8 | Int(scalar & 0xFF)])
    }
}
