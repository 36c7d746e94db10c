import NestlingBasics

extension Tokenizer {
    /// Reads a BERT `vocab.txt`, one token a line, the line number being its id.
    ///
    /// - Parameters:
    ///   - vocabulary: The file's bytes; they are not kept.
    ///   - name: What messages call the file.
    ///   - settings: The members of `tokenizer_config.json`; `do_lower_case`, `strip_accents`,
    ///     `tokenize_chinese_chars` and the special tokens (`unk_token`, `sep_token`, `cls_token`, `pad_token`,
    ///     `mask_token`) are read, as transformers' `BertTokenizerFast` does.
    /// - Throws: `corrupt` if the file is not UTF-8 or lacks the separator or class token.
    public convenience init(
        vocabulary: UnsafeRawBufferPointer, name: String, settings: JSONObject?
    ) throws(Failure) {
        let bytes = vocabulary.bindMemory(to: UInt8.self)
        if let position = UTF8Text.firstInvalidByte(bytes) {
            throw Failure(.corrupt, "\(name): byte \(position) is not UTF-8")
        }
        let config = try Settings(.object(settings ?? JSONObject()), path: "tokenizer_config.json:")
        let tokens = Self.lines(of: bytes)
        let unknown = try Self.token(config, "unk_token", "[UNK]")
        let names = [
            unknown, try Self.token(config, "sep_token", "[SEP]"), try Self.token(config, "pad_token", "[PAD]"),
            try Self.token(config, "cls_token", "[CLS]"), try Self.token(config, "mask_token", "[MASK]"),
        ]
        guard let sep = tokens.id(of: names[1]) else {
            throw Failure(.corrupt, "\(name): the separator token \(names[1].quoted) is missing")
        }
        guard let cls = tokens.id(of: names[3]) else {
            throw Failure(.corrupt, "\(name): the class token \(names[3].quoted) is missing")
        }
        try self.init(
            normalizer: BertNormalizer(
                cleanText: true,
                handleChineseCharacters: try config.bool("tokenize_chinese_chars", default: true),
                stripAccents: config.has("strip_accents") ? try config.bool("strip_accents") : nil,
                lowercase: try config.bool("do_lower_case", default: true)),
            preTokenizer: BertPreTokenizer(),
            model: WordPiece(tokens, unknownToken: unknown),
            postProcessor: BertProcessing(cls: cls, sep: sep),
            decoder: WordPieceDecoder(),
            added: names.map { AddedTokens.Token(special: $0) })
    }

    /// A special token's text, which settings give as a string or as an object with its content.
    static func token(_ config: Settings, _ key: String, _ fallback: String) throws(Failure) -> String {
        guard let value = config.value(key) else { return fallback }
        guard let text = value.string ?? value["content"]?.string else { throw config.expected("a token", key) }
        return text
    }

    /// The lines of the file without white space at their ends; the last of equal ones gives the id.
    private static func lines(of bytes: UnsafeBufferPointer<UInt8>) -> Vocabulary {
        var vocabulary = Vocabulary()
        var start = 0
        var id: Int32 = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != 0x0A { end += 1 }
            let next = end + 1
            while end > start {
                let (scalar, length) = bytes.scalar(before: end)
                guard CharacterClasses.shared[scalar].contains(.whiteSpace) else { break }
                end -= length
            }
            vocabulary.add(UnsafeBufferPointer(rebasing: bytes[start..<max(start, end)]), id: id)
            id += 1
            start = next
        }
        return vocabulary
    }
}
