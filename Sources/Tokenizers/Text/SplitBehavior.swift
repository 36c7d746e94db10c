import NestlingBasics

/// What becomes of the delimiters when a text is cut.
enum SplitBehavior: String, Sendable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"

    /// Reads a behavior, which is written in one of two styles.
    init(_ json: Settings, _ key: String, default fallback: SplitBehavior? = nil) throws(Failure) {
        let name = try json.string(key, default: fallback?.rawValue)
        guard let behavior = SplitBehavior(rawValue: name) else {
            throw json.expected("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous", key)
        }
        self = behavior
    }
}

/// Turns the delimiters of one piece into pieces, as they are found from left to right.
struct SplitCollector {
    private struct Part {
        var start: Int
        var end: Int
        var isDelimiter: Bool
    }

    private let behavior: SplitBehavior
    private let isInverted: Bool
    private var parts: [Part] = []
    private var done = 0

    /// A collector; inverted, what is found is the text and what is between is the delimiter.
    init(_ behavior: SplitBehavior, isInverted: Bool = false) {
        self.behavior = behavior
        self.isInverted = isInverted
    }

    /// Begins a piece.
    @inline(__always)
    mutating func begin(_ start: Int) { done = start }

    /// Says that a delimiter was found.
    @inline(__always)
    mutating func found(_ range: Range<Int>, _ result: inout [Piece]) {
        if done < range.lowerBound { add(done, range.lowerBound, isInverted, &result) }
        add(range.lowerBound, range.upperBound, !isInverted, &result)
        done = range.upperBound
    }

    @inline(__always)
    private mutating func add(_ start: Int, _ end: Int, _ isDelimiter: Bool, _ result: inout [Piece]) {
        switch behavior {
        case .removed: if !isDelimiter, end > start { result.append(Piece(start: start, end: end)) }
        case .isolated: if end > start { result.append(Piece(start: start, end: end)) }
        default: parts.append(Part(start: start, end: end, isDelimiter: isDelimiter))
        }
    }

    /// Ends the piece: what is left and what had to wait for its neighbours becomes pieces.
    mutating func finish(_ end: Int, _ result: inout [Piece]) {
        if done < end { add(done, end, isInverted, &result) }
        guard !parts.isEmpty else { return }
        var merged: [Piece] = []
        var wasDelimiter = false
        for part in behavior == .mergedWithNext ? parts.reversed() : parts {
            let joins =
                behavior == .contiguous ? part.isDelimiter == wasDelimiter : part.isDelimiter && !wasDelimiter
            wasDelimiter = part.isDelimiter
            if joins, let last = merged.indices.last {
                if behavior == .mergedWithNext { merged[last].start = part.start } else { merged[last].end = part.end }
            } else {
                merged.append(Piece(start: part.start, end: part.end))
            }
        }
        if behavior == .mergedWithNext { merged.reverse() }
        for piece in merged where piece.end > piece.start { result.append(piece) }
        parts.removeAll(keepingCapacity: true)
    }
}

extension PreTokenizedText {
    /// Cuts every piece of text at the characters that `isDelimiter` tells.
    mutating func split(_ behavior: SplitBehavior, at isDelimiter: (UInt32) -> Bool) throws(Failure) {
        var collector = SplitCollector(behavior)
        try split { (bytes, piece, result) throws(Failure) in
            collector.begin(piece.start)
            var position = piece.start
            while position < piece.end {
                let (scalar, length) = bytes.scalar(at: position)
                if isDelimiter(scalar) { collector.found(position..<position + length, &result) }
                position += length
            }
            collector.finish(piece.end, &result)
        }
    }
}
