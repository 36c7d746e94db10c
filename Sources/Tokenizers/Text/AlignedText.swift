/// Text on its way through the normalizers: its bytes, and for each byte which bytes of the original it came from.
///
/// As long as nothing changed the length of a character, byte `i` of the text is byte `origin + i` of the original and no
/// table is kept. Otherwise ``starts`` and ``ends`` hold, for each byte, the range of the original character behind it.
struct AlignedText {
    /// The text as it is now, valid UTF-8.
    var bytes: [UInt8]
    /// First byte of the original character behind each byte; empty while the text is aligned one to one.
    var starts: [UInt32] = []
    /// End of the original character behind each byte; empty while the text is aligned one to one.
    var ends: [UInt32] = []
    /// Whether byte `i` stands for byte `origin + i` of the original.
    var isIdentity = true
    /// Where in the original this text begins.
    let origin: Int
    /// How many bytes it may have; see ``Limits``.
    var limit: Int
    /// Whether more than that would have been written. What is in ``bytes`` is of no use then.
    var isTooLong = false

    /// Text that nothing has changed yet.
    init(_ bytes: some Collection<UInt8>, origin: Int, limit: Int) {
        self.bytes = Array(bytes)
        self.origin = origin
        self.limit = limit
        isTooLong = self.bytes.count > limit
    }

    /// The range of the original character behind the byte at `position`.
    @inline(__always)
    func alignment(at position: Int) -> (start: UInt32, end: UInt32) {
        if !isIdentity { return (starts[position], ends[position]) }
        var start = position
        while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
        let end = start + UTF8Text.length(lead: bytes[start])
        return (UInt32(truncatingIfNeeded: origin + start), UInt32(truncatingIfNeeded: origin + end))
    }

    /// The bytes that stand for characters which begin in one of the ranges `original` of the original; both rise.
    func positions(in original: [Range<Int>]) -> [Range<Int>] {
        if original.isEmpty { return [] }
        var result: [Range<Int>] = []
        for position in bytes.indices {
            let (start, end) = alignment(at: position)
            var (first, count) = (0, original.count)
            while count > 0 {  // the first range that ends behind the character's beginning
                let half = count / 2
                if original[first + half].upperBound <= start {
                    (first, count) = (first + half + 1, count - half - 1)
                } else {
                    count = half
                }
            }
            guard first < original.count, original[first].lowerBound < max(start + 1, end) else { continue }
            if let last = result.last, last.upperBound == position {
                result[result.count - 1] = last.lowerBound..<position + 1
            } else {
                result.append(position..<position + 1)
            }
        }
        return result
    }

    /// Replaces the one-to-one alignment by explicit tables.
    mutating func makeAlignmentExplicit() {
        guard isIdentity else { return }
        isIdentity = false
        starts.reserveCapacity(bytes.count)
        ends.reserveCapacity(bytes.count)
        var position = 0
        while position < bytes.count {
            let length = min(UTF8Text.length(lead: bytes[position]), bytes.count - position)
            let start = UInt32(truncatingIfNeeded: origin + position)
            for _ in 0..<length {
                starts.append(start)
                ends.append(start + UInt32(truncatingIfNeeded: length))
            }
            position += length
        }
    }

    /// Appends `other`, which continues the same original.
    mutating func append(_ other: AlignedText) {
        if isIdentity, other.isIdentity, origin + bytes.count == other.origin {
            bytes.append(contentsOf: other.bytes)
            return
        }
        makeAlignmentExplicit()
        var other = other
        other.makeAlignmentExplicit()
        bytes.append(contentsOf: other.bytes)
        starts.append(contentsOf: other.starts)
        ends.append(contentsOf: other.ends)
    }
}

/// Writes a new version of a text while walking over the old one, and carries the alignment along.
///
/// The rules are those of the reference's `NormalizedString::transform`: a character that replaces another takes its
/// place in the original, an inserted one shares the place of the character before it.
struct TextRewriter {
    private let source: AlignedText
    /// The next byte of the old text that has not been replaced, kept or dropped.
    private(set) var position = 0
    private var result: AlignedText

    /// Starts at the beginning of `source`.
    init(_ source: AlignedText) {
        self.source = source
        result = AlignedText([], origin: source.origin, limit: source.limit)
        result.isIdentity = false
        result.bytes.reserveCapacity(source.bytes.count)
        result.starts.reserveCapacity(source.bytes.count)
        result.ends.reserveCapacity(source.bytes.count)
    }

    /// Whether no more can be written.
    var isTooLong: Bool { result.isTooLong }

    /// The new text; what was not walked over is dropped.
    consuming func finish() -> AlignedText { result }

    /// Writes `scalar` with the place of the next old character, without passing over it.
    @inline(__always)
    private mutating func write(_ scalar: UInt32, _ place: (start: UInt32, end: UInt32)) {
        guard result.bytes.count < result.limit else {
            result.isTooLong = true
            return
        }
        UTF8Text.append(scalar, to: &result.bytes)
        for _ in 0..<UTF8Text.length(scalar: scalar) {
            result.starts.append(place.start)
            result.ends.append(place.end)
        }
    }

    /// The place of the byte before ``position``; at the very beginning an empty one.
    @inline(__always)
    private var placeBefore: (start: UInt32, end: UInt32) {
        if position > 0 { return source.alignment(at: position - 1) }
        let origin = UInt32(truncatingIfNeeded: source.origin)
        return (origin, origin)
    }

    /// Passes over one old character without writing anything.
    @inline(__always)
    mutating func drop() {
        if position < source.bytes.count { position += UTF8Text.length(lead: source.bytes[position]) }
    }

    /// Writes `scalar` in the place of the next old character.
    @inline(__always)
    mutating func replace(with scalar: UInt32) {
        write(scalar, position < source.bytes.count ? source.alignment(at: position) : placeBefore)
        drop()
    }

    /// Writes `scalar` where no old character was; it shares the place of the one before.
    @inline(__always)
    mutating func insert(_ scalar: UInt32) { write(scalar, placeBefore) }

    /// Writes `scalar`: inserted if `change` is positive, otherwise in the place of the next old character, after which
    /// `-change` more are dropped.
    @inline(__always)
    mutating func put(_ scalar: UInt32, change: Int) {
        if change > 0 { return insert(scalar) }
        replace(with: scalar)
        for _ in 0..<(-change) { drop() }
    }

    /// Keeps the old text as it is up to the byte `end`.
    mutating func keep(upTo end: Int) {
        guard position < end else { return }
        guard end - position <= result.limit - result.bytes.count else {
            result.isTooLong = true
            return
        }
        result.bytes.append(contentsOf: source.bytes[position..<end])
        if source.isIdentity {
            var part = AlignedText(
                source.bytes[position..<end], origin: source.origin + position, limit: source.limit)
            part.makeAlignmentExplicit()
            result.starts.append(contentsOf: part.starts)
            result.ends.append(contentsOf: part.ends)
        } else {
            result.starts.append(contentsOf: source.starts[position..<end])
            result.ends.append(contentsOf: source.ends[position..<end])
        }
        position = end
    }

    /// Passes over the old text up to the byte `end` without writing anything.
    mutating func drop(upTo end: Int) { position = max(position, end) }
}
