import NestlingBasics

/// BERT's text cleaning, spaces around Chinese characters, accents and case.
/// Source: `BasicTokenizer` of google-research/bert, in the form that the tokenizers package gave it.
struct BertNormalizer: Normalizer {
    let cleanText: Bool
    let handleChineseCharacters: Bool
    let stripAccents: Bool
    let lowercase: Bool

    /// A normalizer with these settings; without a word on accents they go when case goes.
    init(cleanText: Bool, handleChineseCharacters: Bool, stripAccents: Bool?, lowercase: Bool) {
        self.cleanText = cleanText
        self.handleChineseCharacters = handleChineseCharacters
        self.stripAccents = stripAccents ?? lowercase
        self.lowercase = lowercase
    }

    /// Reads `normalizer` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        self.init(
            cleanText: try json.bool("clean_text", default: true),
            handleChineseCharacters: try json.bool("handle_chinese_chars", default: true),
            stripAccents: json.has("strip_accents") ? try json.bool("strip_accents") : nil,
            lowercase: try json.bool("lowercase", default: true))
    }

    func normalize(_ text: inout AlignedText) throws(Failure) {
        if normalizePlain(&text) { return }
        if cleanText || handleChineseCharacters { text = clean(text) }
        if stripAccents { text = strippingAccents(text) }
        if lowercase { text.lowercase() }
    }

    /// Does everything in place if the text is ASCII without characters to remove; false if it is not.
    private func normalizePlain(_ text: inout AlignedText) -> Bool {
        for byte in text.bytes where byte >= 0x80 || (cleanText && Self.isRemoved(byte)) { return false }
        let (clean, lower) = (cleanText, lowercase)
        text.bytes.withUnsafeMutableBufferPointer { bytes in
            for position in bytes.indices {
                let byte = bytes[position]
                if clean, byte == 0x09 || byte == 0x0A || byte == 0x0D {
                    bytes[position] = 0x20
                } else if lower, byte &- 0x41 < 26 {
                    bytes[position] = byte | 0x20
                }
            }
        }
        return true
    }

    @inline(__always)
    private static func isRemoved(_ byte: UInt8) -> Bool {
        (byte < 0x20 && byte != 0x09 && byte != 0x0A && byte != 0x0D) || byte == 0x7F
    }

    /// Removes control characters, makes every white space a space and puts spaces around Chinese characters.
    private func clean(_ text: AlignedText) -> AlignedText {
        let classes = CharacterClasses.shared
        var rewriter = TextRewriter(text)
        text.bytes.withUnsafeBufferPointer { bytes in
            var position = 0
            while position < bytes.count {
                let (scalar, length) = bytes.scalar(at: position)
                position += length
                if cleanText {
                    if classes[scalar].contains(.bertRemoved) {
                        rewriter.drop()
                        continue
                    }
                    if classes[scalar].contains(.whiteSpace) {
                        rewriter.replace(with: 0x20)
                        continue
                    }
                }
                if handleChineseCharacters, Self.isChinese(scalar) {
                    rewriter.replace(with: 0x20)
                    rewriter.insert(scalar)
                    rewriter.insert(0x20)
                } else {
                    rewriter.replace(with: scalar)
                }
            }
        }
        return rewriter.finish()
    }

    /// Whether BERT takes `scalar` for a character that is a word by itself.
    @inline(__always)
    private static func isChinese(_ scalar: UInt32) -> Bool {
        if scalar < 0x3400 { return false }
        return switch scalar {
        case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2B81F,
            0x2B920...0x2CEAF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }

    private func strippingAccents(_ text: AlignedText) -> AlignedText {
        let classes = CharacterClasses.shared
        var decomposition = Decomposition(compatible: false)
        var rewriter = TextRewriter(text)
        text.bytes.withUnsafeBufferPointer { bytes in
            decomposition.run(bytes) { scalar, change in
                if classes[scalar].contains(.nonspacingMark) {
                    if change <= 0 { rewriter.drop() }
                } else {
                    rewriter.put(scalar, change: change)
                }
            }
        }
        return rewriter.finish()
    }
}

extension AlignedText {
    /// Replaces every character by its lowercase.
    mutating func lowercase() {
        let lower = Lowercase.shared
        // In place as long as lengths stay the same.
        var rewritten: AlignedText?
        bytes.withUnsafeBufferPointer { bytes in
            var position = 0
            while position < bytes.count, bytes[position] < 0x80 { position += 1 }
            guard position < bytes.count else { return }
            position = 0
            var rewriter = TextRewriter(self)
            while position < bytes.count {
                let (scalar, length) = bytes.scalar(at: position)
                position += length
                if scalar == Lowercase.dottedCapitalI {
                    rewriter.replace(with: 0x69)
                    rewriter.insert(0x307)
                } else {
                    rewriter.replace(with: lower[scalar])
                }
            }
            rewritten = rewriter.finish()
        }
        if let rewritten {
            self = rewritten
            return
        }
        bytes.withUnsafeMutableBufferPointer { bytes in
            for position in bytes.indices where bytes[position] &- 0x41 < 26 { bytes[position] |= 0x20 }
        }
    }
}
