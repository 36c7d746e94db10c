import NestlingBasics

/// The tokenizer of a GGUF file, written as the files of transformers that hold one of its kind: `tokenizer.json` for the BPE of
/// bytes (`gpt2`), `tokenizer.model` for SentencePiece's (`llama`), and `tokenizer_config.json`.
///
/// Source: docs/gguf.md of ggml-org/ggml, and gguf-py of ggml-org/llama.cpp for the keys.
struct GGUFTokenizer: Sendable {
    /// What a token is for, by the numbers of SentencePiece.
    enum Kind: Int {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    /// What is called `tokenizer.ggml.model`.
    enum Model {
        case bytePairs
        case sentencePiece
    }

    let contents: GGUF
    let architecture: GGUFModel.Architecture

    init(_ contents: GGUF, architecture: GGUFModel.Architecture) {
        self.contents = contents
        self.architecture = architecture
    }

    var metadata: JSONFields { contents.metadata }

    /// The kind of the tokenizer; `nil`: there is none.
    func model() throws(Failure) -> Model? {
        let key = "tokenizer.ggml.model"
        switch try metadata.optionalString(key) {
        case nil, "none", "no_vocab": return nil
        case "gpt2": return .bytePairs
        case "llama": return .sentencePiece
        case let name?:
            throw Failure(
                .unsupported, "\(metadata.name): \(key) \(name.quoted) is not supported; supported are gpt2, llama")
        }
    }

    /// All tokens, by id, with what they are for.
    func tokens() throws(Failure) -> [(text: UnsafeRawBufferPointer, kind: Kind)] {
        let key = "tokenizer.ggml.tokens"
        guard let texts = contents.array(key), texts.type == .string else {
            throw Failure(.corrupt, "\(metadata.name): \(key) is missing, or is no array of strings")
        }
        let kinds = try numbers("tokenizer.ggml.token_type", count: texts.count)
        var tokens: [(text: UnsafeRawBufferPointer, kind: Kind)] = []
        try texts.forEachString { index, text throws(Failure) in
            let number = kinds?[index]?.int ?? Kind.normal.rawValue
            guard let kind = Kind(rawValue: number) else {
                throw Failure(.corrupt, "\(metadata.name): tokenizer.ggml.token_type[\(index)] is \(number)")
            }
            tokens.append((text, kind))
        }
        return tokens
    }

    /// An array with one number for each token; `nil` if it is not there.
    func numbers(_ key: String, count: Int) throws(Failure) -> GGUFArray? {
        guard let numbers = contents.array(key) else { return nil }
        guard numbers.count == count, numbers.type != .string else {
            throw Failure(
                .corrupt,
                "\(metadata.name): \(key) has \(numbers.count) elements; expected a number for each of \(count) tokens")
        }
        return numbers
    }

    /// The id under `tokenizer.ggml.<name>_token_id`; `nil` if it is not there, or is no token.
    func id(_ name: String, count: Int) throws(Failure) -> Int? {
        let key = "tokenizer.ggml.\(name)_token_id"
        // Files say 2^32 - 1 for none.
        guard let id = try metadata.optionalInteger(key, in: -1...Int(UInt32.max)), id < count, id >= 0 else {
            return nil
        }
        return id
    }

    /// Whether a token is put before texts; that of the end goes after them only if asked for.
    func addsFirst() throws(Failure) -> Bool {
        let standard: Bool
        switch try model() {
        case .sentencePiece: standard = true
        case .bytePairs: standard = try preTokenizer()?.addsFirst ?? false
        case nil: standard = false
        }
        return try metadata.bool("tokenizer.ggml.add_bos_token", default: standard)
    }

    func addsLast() throws(Failure) -> Bool { try metadata.bool("tokenizer.ggml.add_eos_token", default: false) }

    /// The tokens that end what a model says: those that the metadata name, and of the vocabulary those that are known to end a
    /// turn of some conversation.
    func endTokens() throws(Failure) -> [Int] {
        guard let texts = contents.array("tokenizer.ggml.tokens") else { return [] }
        var ids: [Int] = []
        for name in ["eos", "eot", "eom"] {
            if let id = try id(name, count: texts.count), !ids.contains(id) { ids.append(id) }
        }
        let kinds = try numbers("tokenizer.ggml.token_type", count: texts.count)
        try texts.forEachString { index, text throws(Failure) in
            guard let kind = kinds?[index]?.int, kind == Kind.control.rawValue || kind == Kind.userDefined.rawValue,
                Self.ends.contains(where: { $0.utf8.elementsEqual(text) }), !ids.contains(index)
            else { return }
            ids.append(index)
        }
        return ids
    }

    private static let ends = [
        "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|im_end|>", "<|endoftext|>", "<|end|>", "<end_of_turn>",
    ]

    /// `tokenizer_config.json`, with the template of conversations; `nil` without tokenizer.
    func settings() throws(Failure) -> JSON? {
        guard let model = try model() else { return nil }
        var settings = JSONObject()
        switch model {
        case .bytePairs: settings["tokenizer_class"] = "PreTrainedTokenizerFast"
        case .sentencePiece:
            settings["tokenizer_class"] = architecture.isGemma ? "GemmaTokenizer" : "LlamaTokenizer"
            settings["add_prefix_space"] = .bool(
                try metadata.bool("tokenizer.ggml.add_space_prefix", default: !architecture.isGemma))
        }
        settings["add_bos_token"] = .bool(try addsFirst())
        settings["add_eos_token"] = .bool(try addsLast())
        let tokens = try tokens()
        for (name, key) in [("bos", "bos"), ("eos", "eos"), ("unknown", "unk"), ("padding", "pad")] {
            guard let id = try id(name, count: tokens.count) else { continue }
            settings["\(key)_token"] = .string(String(decoding: tokens[id].text, as: UTF8.self))
        }
        if let template = try metadata.optionalString("tokenizer.chat_template") {
            settings["chat_template"] = .string(template)
        }
        return .object(settings)
    }
}
