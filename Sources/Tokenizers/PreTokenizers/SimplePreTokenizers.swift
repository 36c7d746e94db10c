import NestlingBasics

/// Several pre-tokenizers, one after the other.
struct PreTokenizerSequence: PreTokenizer {
    let parts: [any PreTokenizer]

    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        for part in parts { try part.preTokenize(&text) }
    }

    func keepingBytes() -> (any PreTokenizer)? {
        guard let last = parts.last?.keepingBytes() else { return nil }
        return PreTokenizerSequence(parts: parts.dropLast() + [last])
    }
}

/// Cuts at white space, which goes.
struct WhitespaceSplitPreTokenizer: PreTokenizer {
    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        let classes = CharacterClasses.shared
        try text.split(.removed) { classes[$0].contains(.whiteSpace) }
    }
}

/// Keeps runs of word characters and runs of what is neither word nor white space: `\w+|[^\w\s]+`.
struct WhitespacePreTokenizer: PreTokenizer {
    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        let classes = CharacterClasses.shared
        try text.split { (bytes, piece, result) throws(Failure) in
            var start = piece.start
            var position = piece.start
            var current: CharacterClass = .whiteSpace
            while position < piece.end {
                let (scalar, length) = bytes.scalar(at: position)
                let kind = classes[scalar]
                let next: CharacterClass = kind.contains(.word) ? .word : kind.contains(.whiteSpace) ? .whiteSpace : []
                if next != current {
                    if current != .whiteSpace, position > start { result.append(Piece(start: start, end: position)) }
                    (current, start) = (next, position)
                }
                position += length
            }
            if current != .whiteSpace, position > start { result.append(Piece(start: start, end: position)) }
        }
    }
}

/// Cuts around punctuation.
struct PunctuationPreTokenizer: PreTokenizer {
    let behavior: SplitBehavior

    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        let classes = CharacterClasses.shared
        try text.split(behavior) { classes[$0].contains(.punctuation) }
    }
}

/// Cuts around numbers, or around each digit.
struct DigitsPreTokenizer: PreTokenizer {
    let individual: Bool

    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        let classes = CharacterClasses.shared
        try text.split(individual ? .isolated : .contiguous) { classes[$0].contains(.numeric) }
    }
}

/// Cuts at one character, which goes.
struct DelimiterPreTokenizer: PreTokenizer {
    let delimiter: UInt32

    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        try text.split(.removed) { $0 == delimiter }
    }
}

/// Cuts into pieces of so many characters.
struct FixedLengthPreTokenizer: PreTokenizer {
    let length: Int

    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        try text.split { (bytes, piece, result) throws(Failure) in
            var start = piece.start
            var characters = 0
            for position in piece.start..<piece.end where bytes[position] & 0xC0 != 0x80 {
                if characters == length {
                    result.append(Piece(start: start, end: position))
                    (start, characters) = (position, 0)
                }
                characters += 1
            }
            result.append(Piece(start: start, end: piece.end))
        }
    }
}

/// Cuts at the matches of a pattern.
struct SplitPreTokenizer: PreTokenizer {
    let pattern: Pattern
    let behavior: SplitBehavior
    let isInverted: Bool

    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        try text.split(by: pattern, behavior, isInverted: isInverted)
    }
}

extension PreTokenizedText {
    /// Cuts every piece of text at the matches of `pattern`.
    mutating func split(by pattern: Pattern, _ behavior: SplitBehavior, isInverted: Bool = false) throws(Failure) {
        var collector = SplitCollector(behavior, isInverted: isInverted)
        var scratch = Regex.Scratch()
        try split { (bytes, piece, result) throws(Failure) in
            collector.begin(piece.start)
            try pattern.forEachMatch(bytes, piece.start..<piece.end, &scratch) { collector.found($0, &result) }
            collector.finish(piece.end, &result)
        }
    }
}
