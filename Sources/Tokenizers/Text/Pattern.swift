import NestlingBasics

/// What is looked for in a text: a literal string or a regular expression.
enum Pattern: Sendable {
    case literal([UInt8])
    case regex(Regex)

    /// Reads `{"String": ...}` or `{"Regex": ...}`.
    init(_ json: Settings, _ key: String) throws(Failure) {
        let pattern = try json.settings(key)
        if pattern.has("String") {
            self = .literal(Array(try pattern.string("String").utf8))
        } else {
            self = .regex(try Regex(try pattern.string("Regex"), path: pattern.path("Regex")))
        }
    }

    /// Calls `body` with every match in `text[range]`, from left to right; nothing outside the range is looked at.
    func forEachMatch(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ scratch: inout Regex.Scratch,
        _ body: (Range<Int>) -> Void
    ) throws(Failure) {
        switch self {
        case .literal(let wanted): Self.findLiteral(wanted, text, range, body)
        case .regex(let regex): try regex.forEachMatch(text, range, &scratch, body)
        }
    }

    private static func findLiteral(
        _ wanted: [UInt8], _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ body: (Range<Int>) -> Void
    ) {
        guard let lead = wanted.first else {
            // The empty string is before every character and at the end.
            for position in range where text[position] & 0xC0 != 0x80 { body(position..<position) }
            return body(range.upperBound..<range.upperBound)
        }
        var position = range.lowerBound
        while position + wanted.count <= range.upperBound {
            if text[position] == lead, text[position..<position + wanted.count].elementsEqual(wanted) {
                body(position..<position + wanted.count)
                position += wanted.count
            } else {
                position += 1
            }
        }
    }
}
