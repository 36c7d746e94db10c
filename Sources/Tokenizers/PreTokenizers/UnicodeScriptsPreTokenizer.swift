import NestlingBasics

/// Cuts where the script of the characters changes; Hiragana, Katakana and Han count as one, spaces as any script.
///
/// What comes before the first character of a script of its own is lost, as in the reference.
struct UnicodeScriptsPreTokenizer: PreTokenizer {
    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        try text.split { (bytes, piece, result) throws(Failure) in
            var last: UInt8 = 0
            var start = -1
            var position = piece.start
            while position < piece.end {
                let (scalar, length) = bytes.scalar(at: position)
                let script = Scripts.shared.script(of: scalar)
                if script != 0 {
                    if script != last {
                        if start >= 0 { result.append(Piece(start: start, end: position)) }
                        start = position
                    }
                    last = script
                }
                position += length
            }
            if start >= 0, piece.end > start { result.append(Piece(start: start, end: piece.end)) }
        }
    }
}

/// The scripts of code points as numbers; 0 is any script.
struct Scripts: Sendable {
    static let shared = Scripts()
    private let ascii: [UInt8]

    private init() { ascii = (UInt32(0)..<128).map(Self.search) }

    /// The script of `scalar`.
    func script(of scalar: UInt32) -> UInt8 { scalar < 128 ? ascii[Int(scalar)] : Self.search(scalar) }

    private static func search(_ scalar: UInt32) -> UInt8 {
        let ranges = ScriptRanges.all
        var (low, high) = (0, ranges.count / 3)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle * 3 + 1] < scalar { low = middle + 1 } else { high = middle }
        }
        guard low * 3 < ranges.count, ranges[low * 3] <= scalar else { return 0 }
        return UInt8(truncatingIfNeeded: ranges[low * 3 + 2])
    }
}
