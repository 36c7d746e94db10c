/// Extended grapheme clusters (UAX #29) as far as clusters of less than six bytes can tell, by the reference's Unicode.
///
/// Longer clusters are normalized character by character, so that where they end makes no difference; hence nothing is
/// said here on pairs of regional indicators and on conjuncts, which are never that short.
enum GraphemeClusters {
    /// Where the cluster that begins at `start` ends.
    static func end(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        let classes = CharacterClasses.shared
        var (previous, length) = bytes.scalar(at: start)
        var position = start + length
        // Most text: nothing joins two ASCII characters but a line end of two.
        if previous < 0x80, position < bytes.count, bytes[position] < 0x80 {
            return previous == 0x0D && bytes[position] == 0x0A ? position + 1 : position
        }
        var kind = classes[previous]
        if kind.contains(.clusterControl) { return position }
        var isPictograph = kind.contains(.pictographic)
        while position < bytes.count {
            let next = bytes.scalar(at: position)
            let nextKind = classes[next.scalar]
            if nextKind.contains(.clusterControl) { return position }
            let joins =
                nextKind.contains(.clusterJoiner) || kind.contains(.clusterPrefix)
                || isPictograph && previous == 0x200D && nextKind.contains(.pictographic)
                || joinsSyllable(previous, next.scalar)
            guard joins else { return position }
            if !nextKind.contains(.clusterJoiner) { isPictograph = nextKind.contains(.pictographic) }
            (previous, length) = next
            kind = nextKind
            position += length
        }
        return position
    }

    /// Whether two Hangul letters or syllables are of one syllable (GB6 to GB8).
    private static func joinsSyllable(_ first: UInt32, _ second: UInt32) -> Bool {
        func isLeading(_ scalar: UInt32) -> Bool {
            (0x1100...0x115F).contains(scalar) || (0xA960...0xA97C).contains(scalar)
        }
        func isVowel(_ scalar: UInt32) -> Bool {
            (0x1160...0x11A7).contains(scalar) || (0xD7B0...0xD7C6).contains(scalar)
        }
        func isTrailing(_ scalar: UInt32) -> Bool {
            (0x11A8...0x11FF).contains(scalar) || (0xD7CB...0xD7FB).contains(scalar)
        }
        if second < 0x1100 { return false }
        let isSyllable = Decomposition.isHangulSyllable(first)
        if isLeading(first) { return isLeading(second) || isVowel(second) || Decomposition.isHangulSyllable(second) }
        if isVowel(first) || isSyllable && (first - 0xAC00) % 28 == 0 { return isVowel(second) || isTrailing(second) }
        return (isTrailing(first) || isSyllable) && isTrailing(second)
    }
}
