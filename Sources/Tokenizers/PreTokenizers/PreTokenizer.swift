import NestlingBasics

/// A stage that cuts normalized text into the pieces which the model sees, and may rewrite them.
protocol PreTokenizer: Sendable {
    /// Cuts every piece of text in `text`; added tokens stay as they are.
    func preTokenize(_ text: inout PreTokenizedText) throws(Failure)
    /// See the default below.
    func keepingBytes() -> (any PreTokenizer)?
}

extension PreTokenizer {
    /// A version of this pre-tokenizer that leaves out a last step which only writes bytes as characters of the
    /// byte-level alphabet, or nil if that is not its last step; see ``Model/readingBytes()``.
    func keepingBytes() -> (any PreTokenizer)? { nil }
}

/// The pre-tokenizers that can be read, by their names in tokenizer.json.
enum PreTokenizers {
    static func read(_ json: Settings) throws(Failure) -> any PreTokenizer {
        switch try json.type() {
        case "BertPreTokenizer": return BertPreTokenizer()
        case "ByteLevel": return try ByteLevelPreTokenizer(json)
        case "Metaspace": return try MetaspacePreTokenizer(json)
        case "Whitespace": return WhitespacePreTokenizer()
        case "WhitespaceSplit": return WhitespaceSplitPreTokenizer()
        case "Punctuation":
            return PunctuationPreTokenizer(behavior: try SplitBehavior(json, "behavior", default: .isolated))
        case "Digits": return DigitsPreTokenizer(individual: try json.bool("individual_digits", default: false))
        case "Split":
            return SplitPreTokenizer(
                pattern: try Pattern(json, "pattern"), behavior: try SplitBehavior(json, "behavior"),
                isInverted: try json.bool("invert", default: false))
        case "Delimiter", "CharDelimiterSplit":
            let characters = try json.string("delimiter").unicodeScalars
            guard characters.count == 1, let only = characters.first else {
                throw json.expected("one character", "delimiter")
            }
            return DelimiterPreTokenizer(delimiter: only.value)
        case "UnicodeScripts": return UnicodeScriptsPreTokenizer()
        case "FixedLength":
            let length = try json.count("length", default: 5)
            guard length > 0 else { throw json.expected("a whole number, 1 or more", "length") }
            return FixedLengthPreTokenizer(length: length)
        case "Sequence":
            var parts: [any PreTokenizer] = []
            for (index, part) in try json.array("pretokenizers").enumerated() {
                parts.append(try read(try Settings(part, path: "\(json.path("pretokenizers"))[\(index)]")))
            }
            return PreTokenizerSequence(parts: parts)
        case let other: throw json.unsupported("pre-tokenizer", other)
        }
    }
}
