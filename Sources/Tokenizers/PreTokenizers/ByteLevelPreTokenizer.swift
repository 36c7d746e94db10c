import NestlingBasics

/// Cuts as GPT-2 does and writes each byte as its character of the byte-level alphabet.
/// Source: `encoder.py` of openai/gpt-2.
struct ByteLevelPreTokenizer: PreTokenizer {
    let addPrefixSpace: Bool
    let usesRegex: Bool
    /// Whether bytes stay as they are, because the model reads them so.
    var keepsBytes = false

    private static let pattern: Result<Regex, Failure> = Result { () throws(Failure) in
        try Regex(#"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#, path: "GPT-2")
    }

    /// Reads `pre_tokenizer` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        addPrefixSpace = try json.bool("add_prefix_space", default: true)
        usesRegex = try json.bool("use_regex", default: true)
    }

    /// A pre-tokenizer with these settings.
    init(addPrefixSpace: Bool, usesRegex: Bool) {
        self.addPrefixSpace = addPrefixSpace
        self.usesRegex = usesRegex
    }

    func keepingBytes() -> (any PreTokenizer)? {
        var keeping = self
        keeping.keepsBytes = true
        return keeping
    }

    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        if addPrefixSpace, text.pieces.contains(where: { $0.isText && text.text.bytes[$0.start] != 0x20 }) {
            try text.rewrite { source, piece, result in
                if source.bytes[piece.start] != 0x20 {
                    result.append([0x20], aligned: source.alignment(at: piece.start))
                }
                result.append(source, piece.start..<piece.end)
            }
        }
        if usesRegex { try text.split(by: .regex(try Self.pattern.get()), .isolated) }
        if keepsBytes { return }
        let characters = ByteLevelAlphabet.characters
        try text.rewrite { source, piece, result in
            for position in piece.start..<piece.end {
                let character = characters[Int(source.bytes[position])]
                let place = source.alignment(at: position)
                UTF8Text.append(character, to: &result.bytes)
                for _ in 0..<UTF8Text.length(scalar: character) {
                    result.starts.append(place.start)
                    result.ends.append(place.end)
                }
            }
        }
    }
}
