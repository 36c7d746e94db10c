import Basics

/// The rewriting rules that a SentencePiece model carries: a double-array trie over UTF-8 and the texts it leads to.
/// Source: `normalizer.cc` of google/sentencepiece; what rules see of a grapheme cluster is as in the reference.
struct PrecompiledNormalizer: Normalizer {
    private let units: [UInt32]
    private let texts: [UInt8]
    /// Whether the rules have anything to say on each ASCII character.
    private let plain: [Bool]

    /// Reads `normalizer` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        let path = json.path("precompiled_charsmap")
        guard let bytes = Self.base64(try json.string("precompiled_charsmap")) else {
            throw Failure(.corrupt, "\(path): expected base64")
        }
        guard bytes.count >= 4 else { throw Failure(.corrupt, "\(path): expected a trie and its texts") }
        func word(_ position: Int) -> UInt32 {
            UInt32(bytes[position]) | UInt32(bytes[position + 1]) << 8 | UInt32(bytes[position + 2]) << 16
                | UInt32(bytes[position + 3]) << 24
        }
        let count = Int(word(0)) / 4
        guard count <= (bytes.count - 4) / 4 else {
            throw Failure(.corrupt, "\(path): a trie of \(count) units does not fit into \(bytes.count) bytes")
        }
        let units = (0..<count).map { word(4 + 4 * $0) }
        let texts = Array(bytes[(4 + 4 * count)...])
        if let position = texts.withUnsafeBufferPointer({ UTF8Text.firstInvalidByte($0) }) {
            throw Failure(.corrupt, "\(path): byte \(position) of the texts is not UTF-8")
        }
        self.units = units
        self.texts = texts
        plain = (0..<128).map { byte in
            Self.rule([UInt8(byte)][...], units, texts) == nil
        }
    }

    /// The bytes that `text` encodes, or nil. Source: RFC 4648.
    private static func base64(_ text: String) -> [UInt8]? {
        var result: [UInt8] = []
        var (bits, held, padding): (UInt32, Int, Int) = (0, 0, 0)
        for byte in text.utf8 {
            let value: UInt8
            switch byte {
            case 0x41...0x5A: value = byte - 0x41
            case 0x61...0x7A: value = byte - 0x61 + 26
            case 0x30...0x39: value = byte - 0x30 + 52
            case 0x2B: value = 62
            case 0x2F: value = 63
            case 0x3D:
                padding += 1
                continue
            default: return nil
            }
            if padding > 0 { return nil }
            bits = bits << 6 | UInt32(value)
            held += 6
            if held >= 8 {
                held -= 8
                result.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
                bits &= (1 << UInt32(held)) - 1
            }
        }
        return padding <= 2 && held < 6 ? result : nil
    }

    /// What the shortest entry at the beginning of `chunk` leads to, as a range of the texts, or nil.
    private static func rule(_ chunk: ArraySlice<UInt8>, _ units: [UInt32], _ texts: [UInt8]) -> Range<Int>? {
        guard let root = units.first else { return nil }
        var place = Int(offset(root))
        for byte in chunk {
            if byte == 0 { return nil }
            place ^= Int(byte)
            guard place < units.count else { return nil }
            let unit = units[place]
            if unit & (1 << 31 | 0xFF) != UInt32(byte) { return nil }
            place ^= Int(offset(unit))
            if unit >> 8 & 1 == 1 {
                guard place < units.count else { return nil }
                let start = Int(units[place] & (1 << 31 - 1))
                guard start <= texts.count, start == texts.count || texts[start] & 0xC0 != 0x80 else { return nil }
                var end = start
                while end < texts.count, texts[end] != 0 { end += 1 }
                return start..<end
            }
        }
        return nil
    }

    private static func offset(_ unit: UInt32) -> UInt32 { (unit >> 10) << ((unit & (1 << 9)) >> 6) }

    func normalize(_ text: inout AlignedText) throws(Failure) {
        let bytes = text.bytes
        if bytes.allSatisfy({ $0 < 0x80 && plain[Int($0)] }) { return }
        var changes: [(scalar: UInt32, change: Int32)] = []
        changes.reserveCapacity(bytes.count)
        var isChanged = false
        var written = 0
        bytes.withUnsafeBufferPointer { buffer in
            var position = 0
            while position < buffer.count, written <= text.limit {
                let end = GraphemeClusters.end(buffer, position)
                if end - position < 6, let rule = Self.rule(bytes[position..<end], units, texts) {
                    isChanged = true
                    replace(buffer, position..<end, rule, &changes)
                    written += rule.count
                    position = end
                    continue
                }
                while position < end, written <= text.limit {
                    let (scalar, length) = buffer.scalar(at: position)
                    if let rule = Self.rule(bytes[position..<position + length], units, texts) {
                        isChanged = true
                        replace(buffer, position..<position + length, rule, &changes)
                        written += rule.count
                    } else {
                        changes.append((scalar, 0))
                    }
                    position += length
                }
            }
        }
        guard isChanged else { return }
        guard written <= text.limit else {
            text.isTooLong = true
            return
        }
        var rewriter = TextRewriter(text)
        for (scalar, change) in changes { rewriter.put(scalar, change: Int(change)) }
        text = rewriter.finish()
    }

    /// Appends the text of `rule` for the characters of `old`, with the change counts of the reference.
    private func replace(
        _ bytes: UnsafeBufferPointer<UInt8>, _ old: Range<Int>, _ rule: Range<Int>,
        _ changes: inout [(scalar: UInt32, change: Int32)]
    ) {
        var oldCount = 0
        for position in old where bytes[position] & 0xC0 != 0x80 { oldCount += 1 }
        var newCount = 0
        texts.withUnsafeBufferPointer { texts in
            var position = rule.lowerBound
            while position < rule.upperBound {
                let (scalar, length) = texts.scalar(at: position)
                changes.append((scalar, 0))
                newCount += 1
                position += length
            }
        }
        if newCount > oldCount {
            for index in changes.count - (newCount - oldCount)..<changes.count { changes[index].change = 1 }
        } else if newCount < oldCount, let last = changes.indices.last {
            changes[last].change += Int32(newCount - oldCount)
        }
    }
}
