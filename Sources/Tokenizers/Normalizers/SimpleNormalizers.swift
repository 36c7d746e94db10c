import NestlingBasics

/// Several normalizers, one after the other.
struct NormalizerSequence: Normalizer {
    let parts: [any Normalizer]

    func normalize(_ text: inout AlignedText) throws(Failure) {
        for part in parts where !text.isTooLong { try part.normalize(&text) }
    }
}

/// Makes every character lowercase.
struct LowercaseNormalizer: Normalizer {
    func normalize(_ text: inout AlignedText) throws(Failure) { text.lowercase() }
}

/// Removes white space at one or both ends.
struct StripNormalizer: Normalizer {
    let left: Bool
    let right: Bool

    func normalize(_ text: inout AlignedText) throws(Failure) {
        let range = text.bytes.withUnsafeBufferPointer { bytes in
            var (start, end) = (0, bytes.count)
            while left, start < end {
                let (scalar, length) = bytes.scalar(at: start)
                guard CharacterClasses.shared[scalar].contains(.whiteSpace) else { break }
                start += length
            }
            while right, end > start {
                let (scalar, length) = bytes.scalar(before: end)
                guard CharacterClasses.shared[scalar].contains(.whiteSpace) else { break }
                end -= length
            }
            return start..<max(start, end)
        }
        if range.count == text.bytes.count { return }
        var rewriter = TextRewriter(text)
        rewriter.drop(upTo: range.lowerBound)
        rewriter.keep(upTo: range.upperBound)
        text = rewriter.finish()
    }
}

/// Removes marks, which should have been decomposed from their letters before.
struct StripAccentsNormalizer: Normalizer {
    func normalize(_ text: inout AlignedText) throws(Failure) {
        let classes = CharacterClasses.shared
        text.rewriteCharacters { classes[$0].contains(.mark) ? nil : $0 }
    }
}

/// Removes control characters and makes odd white space a space. Source: `nmt` rules of google/sentencepiece.
struct NmtNormalizer: Normalizer {
    func normalize(_ text: inout AlignedText) throws(Failure) {
        text.rewriteCharacters { scalar in
            switch scalar {
            case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: nil
            case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: 0x20
            default: scalar
            }
        }
    }
}

/// Puts a text before everything that is not empty.
struct PrependNormalizer: Normalizer {
    let prefix: [UInt8]

    func normalize(_ text: inout AlignedText) throws(Failure) { text.prepend(prefix) }
}

/// Replaces each byte by its character of the byte-level alphabet.
struct ByteLevelNormalizer: Normalizer {
    func normalize(_ text: inout AlignedText) throws(Failure) { text.mapToByteLevel() }
}

extension AlignedText {
    /// Replaces each character by what `map` gives, or removes it if that is nil.
    mutating func rewriteCharacters(_ map: (UInt32) -> UInt32?) {
        let isUnchanged = bytes.withUnsafeBufferPointer { bytes in
            var position = 0
            while position < bytes.count {
                let (scalar, length) = bytes.scalar(at: position)
                if map(scalar) != scalar { return false }
                position += length
            }
            return true
        }
        if isUnchanged { return }
        var rewriter = TextRewriter(self)
        bytes.withUnsafeBufferPointer { bytes in
            var position = 0
            while position < bytes.count {
                let (scalar, length) = bytes.scalar(at: position)
                position += length
                if let mapped = map(scalar) { rewriter.replace(with: mapped) } else { rewriter.drop() }
            }
        }
        self = rewriter.finish()
    }

    /// Puts `prefix` before the text, unless that is empty; it shares the place of the first character.
    mutating func prepend(_ prefix: [UInt8]) {
        guard !bytes.isEmpty, !prefix.isEmpty else { return }
        guard prefix.count <= limit - bytes.count else {
            isTooLong = true
            return
        }
        makeAlignmentExplicit()
        bytes.insert(contentsOf: prefix, at: 0)
        starts.insert(contentsOf: repeatElement(starts[0], count: prefix.count), at: 0)
        ends.insert(contentsOf: repeatElement(ends[0], count: prefix.count), at: 0)
    }

    /// Replaces each byte by its character of the byte-level alphabet, which keeps the place of the byte's character.
    mutating func mapToByteLevel() {
        makeAlignmentExplicit()
        var mapped: [UInt8] = []
        var (newStarts, newEnds): ([UInt32], [UInt32]) = ([], [])
        mapped.reserveCapacity(bytes.count * 2)
        newStarts.reserveCapacity(bytes.count * 2)
        newEnds.reserveCapacity(bytes.count * 2)
        let characters = ByteLevelAlphabet.characters
        for position in bytes.indices {
            let character = characters[Int(bytes[position])]
            UTF8Text.append(character, to: &mapped)
            for _ in 0..<UTF8Text.length(scalar: character) {
                newStarts.append(starts[position])
                newEnds.append(ends[position])
            }
        }
        (bytes, starts, ends) = (mapped, newStarts, newEnds)
        if bytes.count > limit { isTooLong = true }
    }
}
