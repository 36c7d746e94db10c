import NestlingBasics

/// The rewriting rules that a SentencePiece model carries: a double-array trie over UTF-8 and the texts it leads to.
/// Source: `normalizer.cc` of google/sentencepiece; what rules see of a grapheme cluster is as in the reference.
struct PrecompiledNormalizer: Normalizer {
    private let map: CharacterMap
    /// Whether the rules have anything to say on each ASCII character.
    private let plain: [Bool]

    /// Reads `normalizer` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        let path = json.path("precompiled_charsmap")
        guard let bytes = Self.base64(try json.string("precompiled_charsmap")) else {
            throw Failure(.corrupt, "\(path): expected base64")
        }
        self.init(try CharacterMap(bytes, path: path))
    }

    /// A normalizer by `map`.
    init(_ map: CharacterMap) {
        self.map = map
        plain = (0..<128).map { byte in
            withUnsafeBytes(of: UInt8(byte)) { map.shortest($0.bindMemory(to: UInt8.self)) == nil }
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
                if end - position < 6, let rule = map.shortest(UnsafeBufferPointer(rebasing: buffer[position..<end])) {
                    isChanged = true
                    replace(buffer, position..<end, rule, &changes)
                    written += rule.count
                    position = end
                    continue
                }
                while position < end, written <= text.limit {
                    let (scalar, length) = buffer.scalar(at: position)
                    let next = min(position + length, buffer.count)
                    if let rule = map.shortest(UnsafeBufferPointer(rebasing: buffer[position..<next])) {
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
        map.texts.withUnsafeBufferPointer { texts in
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
