import NestlingBasics

extension Tokenizer {
    /// Reads the `vocab.json` and `merges.txt` of GPT-2 and RoBERTa, which older checkpoints carry without a
    /// `tokenizer.json`.
    ///
    /// - Parameters:
    ///   - vocabulary: The bytes of `vocab.json`; they are not kept.
    ///   - merges: The bytes of `merges.txt`; they are not kept.
    ///   - name: What messages call the vocabulary.
    ///   - settings: The members of `tokenizer_config.json`; `add_prefix_space`, `trim_offsets`, `tokenizer_class` and
    ///     the special tokens are read, as transformers' fast tokenizers do.
    /// - Throws: `corrupt` if a file is damaged or a merge is not in the vocabulary.
    ///
    /// The tokenizer is RoBERTa's, with `<s>` and `</s>` around each text, if the vocabulary has its class and separator
    /// tokens, unless `tokenizer_class` names GPT-2's; otherwise it is GPT-2's, which adds nothing.
    public convenience init(
        vocabulary: UnsafeRawBufferPointer, merges: UnsafeRawBufferPointer, name: String, settings: JSONObject?
    ) throws(Failure) {
        let config = try Settings(.object(settings ?? JSONObject()), path: "tokenizer_config.json:")
        let json = try JSON.parse(vocabulary, name: name)
        guard let members = json.object else { throw Failure(.corrupt, "\(name): expected an object of token ids") }
        var parts = JSONObject()
        parts["vocab"] = .object(members)
        parts["merges"] = .array(try Self.merges(merges.bindMemory(to: UInt8.self)))
        let model = try BPE(try Settings(.object(parts), path: "\(name):"))
        let prefixSpace = try config.bool("add_prefix_space", default: false)

        let className = try config.string("tokenizer_class", default: "")
        func id(_ token: String) -> Int32? {
            let bytes = Array(token.utf8)
            return bytes.withUnsafeBufferPointer { model.id(of: $0) }
        }
        let cls = try Self.token(config, "cls_token", "<s>")
        let sep = try Self.token(config, "sep_token", "</s>")
        var special: [AddedTokens.Token] = []
        var postProcessor: any PostProcessor = ByteLevelProcessing(trimsOffsets: false, addPrefixSpace: true)
        if !className.hasPrefix("GPT2"), let clsID = id(cls), let sepID = id(sep) {
            postProcessor = RobertaProcessing(
                cls: clsID, sep: sepID, trimsOffsets: try config.bool("trim_offsets", default: true),
                addPrefixSpace: prefixSpace)
            for (key, fallback) in [
                ("bos_token", cls), ("eos_token", sep), ("unk_token", "<unk>"), ("sep_token", sep),
                ("pad_token", "<pad>"), ("cls_token", cls),
            ] {
                special.append(AddedTokens.Token(special: try Self.token(config, key, fallback)))
            }
            var mask = AddedTokens.Token(special: try Self.token(config, "mask_token", "<mask>"))
            mask.stripLeft = config.value("mask_token")?["lstrip"]?.bool ?? false
            special.append(mask)
        } else {
            for key in ["bos_token", "eos_token", "unk_token", "pad_token"] where key != "pad_token" || config.has(key)
            {
                special.append(AddedTokens.Token(special: try Self.token(config, key, "<|endoftext|>")))
            }
        }
        try self.init(
            normalizer: nil, preTokenizer: ByteLevelPreTokenizer(addPrefixSpace: prefixSpace, usesRegex: true),
            model: model, postProcessor: postProcessor, decoder: ByteLevelDecoder(), added: special)
    }

    /// The lines of `merges.txt` but for its header and empty ones.
    private static func merges(_ bytes: UnsafeBufferPointer<UInt8>) throws(Failure) -> [JSON] {
        if let position = UTF8Text.firstInvalidByte(bytes) {
            throw Failure(.corrupt, "merges.txt: byte \(position) is not UTF-8")
        }
        var lines: [JSON] = []
        for line in bytes.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) where !line.starts(with: "#version".utf8)
        {
            lines.append(.string(String(decoding: line, as: UTF8.self)))
        }
        return lines
    }
}
