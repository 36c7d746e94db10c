/// How many characters of white space a token begins and ends with; in byte-level vocabularies they are written `Ġ`.
struct TokenMargins: Sendable, Equatable {
    var leading: Int32 = 0
    var trailing: Int32 = 0

    /// No white space.
    init() {}

    /// The white space of `token`, UTF-8.
    init(_ token: ArraySlice<UInt8>) {
        token.withUnsafeBufferPointer { bytes in
            var position = 0
            while position < bytes.count {
                let (scalar, length) = bytes.scalar(at: position)
                guard Self.isSpace(scalar) else { break }
                leading += 1
                position += length
            }
            position = bytes.count
            while position > 0 {
                let (scalar, length) = bytes.scalar(before: position)
                guard Self.isSpace(scalar) else { break }
                trailing += 1
                position -= length
            }
        }
    }

    private static func isSpace(_ scalar: UInt32) -> Bool {
        scalar == ByteLevelAlphabet.space || CharacterClasses.shared[scalar].contains(.whiteSpace)
    }
}

extension Encoding {
    /// Takes the white space that tokens begin and end with off their offsets, also in what was cut off.
    ///
    /// - Parameter keepsAddedSpace: Whether one leading space of the first token was put there by the pre-tokenizer.
    mutating func trimOffsets(in texts: [UnsafeBufferPointer<UInt8>], keepsAddedSpace: Bool) {
        for index in margins.indices where index < offsets.count {
            var (leading, trailing) = (Int(margins[index].leading), Int(margins[index].trailing))
            let sequence = Int(sequenceIDs[index])
            guard leading > 0 || trailing > 0, texts.indices.contains(sequence) else { continue }
            let text = texts[sequence]
            var (start, end) = (offsets[index].lowerBound, min(offsets[index].upperBound, text.count))
            if leading == 1, keepsAddedSpace, index == 0 || start == 0 { leading = 0 }
            while leading > 0, start < end {
                start += UTF8Text.length(lead: text[start])
                leading -= 1
            }
            start = min(start, end)
            // Nothing happens if the text before the end is shorter than that.
            var trimmed = end
            while trailing > 0, trimmed > 0 {
                trimmed -= 1
                while trimmed > 0, text[trimmed] & 0xC0 == 0x80 { trimmed -= 1 }
                trailing -= 1
            }
            if trailing == 0 { end = max(trimmed, start) }
            offsets[index] = start..<end
        }
        for part in overflowing.indices { overflowing[part].trimOffsets(in: texts, keepsAddedSpace: keepsAddedSpace) }
    }
}
