import NestlingBasics

/// Puts a space before each token but the first, unless it carries the prefix of a continued word.
struct WordPieceDecoder: Decoder {
    let prefix: [UInt8]
    let cleanUp: Bool

    /// A decoder with these settings.
    init(prefix: String = "##", cleanUp: Bool = true) {
        self.prefix = Array(prefix.utf8)
        self.cleanUp = cleanUp
    }

    /// Reads `decoder` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        self.init(
            prefix: try json.string("prefix", default: "##"), cleanUp: try json.bool("cleanup", default: true))
    }

    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]] {
        tokens.enumerated().map { index, token in
            var token = token
            if index > 0 {
                if token.starts(with: prefix) { token.removeFirst(prefix.count) } else { token.insert(0x20, at: 0) }
            }
            if cleanUp { TokenCleanUp.apply(to: &token) }
            return token
        }
    }
}

/// The spaces before punctuation and in English contractions that tokenizing puts in, taken out again.
enum TokenCleanUp {
    private static let replacements: [(old: [UInt8], new: [UInt8])] = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ].map { (Array($0.0.utf8), Array($0.1.utf8)) }

    static func apply(to text: inout [UInt8]) {
        guard text.contains(0x20) else { return }
        for (old, new) in replacements { text.replaceAll(old, with: new) }
    }
}

extension [UInt8] {
    /// Replaces what matches `old`, from left to right and without overlaps, by `new`.
    mutating func replaceAll(_ old: [UInt8], with new: [UInt8]) {
        guard let lead = old.first, contains(lead) else { return }
        var result: [UInt8] = []
        result.reserveCapacity(count)
        var position = 0
        while position < count {
            if self[position] == lead, self[position...].starts(with: old) {
                result.append(contentsOf: new)
                position += old.count
            } else {
                result.append(self[position])
                position += 1
            }
        }
        self = result
    }
}
