import NestlingBasics

/// Rewrites text as SentencePiece does before it cuts: user-defined symbols stay, the longest rule at a place counts,
/// spaces become `▁`, one is put before (or behind) the text, and extra ones go.
/// Source: `normalizer.cc` of google/sentencepiece.
struct SentencePieceNormalizer: Normalizer {
    private let settings: SentencePieceFile.Normalization
    private let map: CharacterMap?
    /// The user-defined symbols, which no rule changes.
    private let kept: ByteTrie
    private let spacesAreSuffixes: Bool
    private static let mark: [UInt8] = [0xE2, 0x96, 0x81]

    init(
        _ settings: SentencePieceFile.Normalization, kept: ByteTrie, spacesAreSuffixes: Bool, path: String
    ) throws(Failure) {
        self.settings = settings
        self.kept = kept
        self.spacesAreSuffixes = spacesAreSuffixes
        map =
            settings.charsmap.isEmpty
            ? nil : try CharacterMap(settings.charsmap, path: "\(path) precompiled_charsmap")
    }

    /// The written form of a space.
    private var space: [UInt8] { settings.escapesSpaces ? Self.mark : [0x20] }

    func normalize(_ text: inout AlignedText) throws(Failure) {
        if text.bytes.isEmpty { return }
        var result = AlignedText([], origin: text.origin, limit: text.limit)
        result.isIdentity = false
        result.bytes.reserveCapacity(text.bytes.count + text.bytes.count / 4)
        result.starts.reserveCapacity(text.bytes.count + text.bytes.count / 4)
        result.ends.reserveCapacity(text.bytes.count + text.bytes.count / 4)
        let old = text
        let fits = old.bytes.withUnsafeBufferPointer { bytes in
            (map?.texts ?? []).withUnsafeBufferPointer { write(bytes, $0, old, &result) }
        }
        text = result
        if !fits || text.bytes.count > text.limit { text.isTooLong = true }
    }

    /// Appends the normalized form of `bytes` to `result`; false if it gets too long.
    private func write(
        _ bytes: UnsafeBufferPointer<UInt8>, _ texts: UnsafeBufferPointer<UInt8>, _ old: AlignedText,
        _ result: inout AlignedText
    ) -> Bool {
        var position = 0
        if settings.removesExtraSpaces {
            while position < bytes.count, let next = lengthOfSpace(bytes, texts, position) { position += next }
        }
        if position == bytes.count { return true }
        guard result.limit > 2 * Self.mark.count else { return false }
        if settings.addsDummyPrefix, !spacesAreSuffixes {
            result.append(space, aligned: place(old, position, position))
        }
        var isAfterSpace = settings.removesExtraSpaces
        while position < bytes.count {
            let (text, length) = replacement(bytes, texts, position)
            let aligned = place(old, position, position + length)
            var written = text[...]
            // A space takes three bytes.
            guard written.count <= (result.limit - result.bytes.count) / 3 else { return false }
            while isAfterSpace, written.first == 0x20 { written = written.dropFirst() }
            for byte in written {
                if byte == 0x20 {
                    result.append(space, aligned: aligned)
                } else {
                    result.bytes.append(byte)
                    result.starts.append(aligned.start)
                    result.ends.append(aligned.end)
                }
            }
            if let last = written.last { isAfterSpace = last == 0x20 && settings.removesExtraSpaces }
            position += length
        }
        if settings.removesExtraSpaces {
            let space = space
            while result.bytes.count >= space.count, result.bytes.suffix(space.count).elementsEqual(space) {
                result.bytes.removeLast(space.count)
                result.starts.removeLast(space.count)
                result.ends.removeLast(space.count)
            }
        }
        if settings.addsDummyPrefix, spacesAreSuffixes {
            result.append(space, aligned: place(old, bytes.count, bytes.count))
        }
        return true
    }

    /// The original range behind the bytes `start ..< end`; an empty one where nothing was.
    private func place(_ old: AlignedText, _ start: Int, _ end: Int) -> (start: UInt32, end: UInt32) {
        if start < end { return (old.alignment(at: start).start, old.alignment(at: end - 1).end) }
        let point =
            start < old.bytes.count
            ? old.alignment(at: start).start : old.bytes.isEmpty ? 0 : old.alignment(at: old.bytes.count - 1).end
        return (point, point)
    }

    /// How many bytes at `position` become exactly one space, or nil.
    private func lengthOfSpace(
        _ bytes: UnsafeBufferPointer<UInt8>, _ texts: UnsafeBufferPointer<UInt8>, _ position: Int
    ) -> Int? {
        let (text, length) = replacement(bytes, texts, position)
        return text.count == 1 && text.first == 0x20 ? length : nil
    }

    /// What is written for the beginning of the rest of the text, and how many bytes that beginning has.
    @inline(__always)
    private func replacement(
        _ bytes: UnsafeBufferPointer<UInt8>, _ texts: UnsafeBufferPointer<UInt8>, _ position: Int
    ) -> (text: Slice<UnsafeBufferPointer<UInt8>>, length: Int) {
        if let end = kept.longestMatch(bytes, position) { return (bytes[position..<end], end - position) }
        if let map, let rule = map.longest(UnsafeBufferPointer(rebasing: bytes[position...])) {
            return (texts[rule.text], rule.length)
        }
        let length = min(UTF8Text.length(lead: bytes[position]), bytes.count - position)
        return (bytes[position..<position + length], length)
    }
}

extension ByteTrie {
    /// Where the longest entry at `position` ends, or nil.
    @inline(__always)
    func longestMatch(_ bytes: UnsafeBufferPointer<UInt8>, _ position: Int) -> Int? {
        var node = ByteTrie.root
        var found: Int?
        var end = position
        while end < bytes.count {
            node = next(node, bytes[end])
            if node < 0 { break }
            end += 1
            if value(node) >= 0 { found = end }
        }
        return found
    }
}
