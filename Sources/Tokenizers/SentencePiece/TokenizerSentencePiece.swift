import NestlingBasics

extension Tokenizer {
    /// Reads a SentencePiece model: `tokenizer.model`, `spiece.model`, `sentencepiece.bpe.model`, `spm.model`.
    ///
    /// - Parameters:
    ///   - sentencePiece: The file's bytes; they are not kept.
    ///   - name: What messages call the file.
    ///   - settings: The members of `tokenizer_config.json`.
    /// - Throws: `corrupt` if the file is damaged or contradicts itself, `unsupported` if it has a model type or piece
    ///   type that this build does not know; the message names the field.
    ///
    /// If `tokenizer_class` names a class of transformers that is known here, ids and texts are those of transformers'
    /// conversion of the file: ALBERT, CamemBERT, DeBERTa-v2, Gemma, Llama, mBART, T5, XLM-RoBERTa, XLNet. Otherwise they
    /// are those of the Python package `sentencepiece`: control pieces are not found in texts, no special tokens are
    /// added unless `add_bos_token` or `add_eos_token` says so, and tokens of `added_tokens_decoder` that the file lacks
    /// are found before anything else. Texts must be UTF-8 here as well, where that package writes U+FFFD.
    public convenience init(
        sentencePiece: UnsafeRawBufferPointer, name: String, settings: JSONObject?
    ) throws(Failure) {
        let file = try SentencePieceFile(sentencePiece, name: name)
        let config = try Settings(.object(settings ?? JSONObject()), path: "tokenizer_config.json:")
        let pieces = try SentencePieces(file)
        let className = try config.string("tokenizer_class", default: "")
        if let family = ConvertedFamily(className: className) {
            try self.init(file, pieces, family, className: className, config)
        } else {
            try self.init(file, pieces, config)
        }
    }

    /// The tokenizer of the Python package `sentencepiece`.
    private convenience init(
        _ file: SentencePieceFile, _ pieces: SentencePieces, _ config: Settings
    ) throws(Failure) {
        var added: [AddedTokens.Token] = []
        for (index, piece) in file.pieces.enumerated() where pieces.kinds[index] == .control {
            var token = AddedTokens.Token(special: String(decoding: piece.text, as: UTF8.self))
            token.isFound = false
            added.append(token)
        }
        for token in try AddedTokens.Token.listed(in: config) where pieces.vocabulary.id(of: token.content) == nil {
            added.append(token)
        }
        let normalizer = try SentencePieceNormalizer(
            file.normalization, kept: pieces.userDefined, spacesAreSuffixes: file.spacesAreSuffixes,
            path: "\(file.name): normalizer_spec")
        try self.init(
            normalizer: normalizer, preTokenizer: nil,
            model: SentencePieceModel(pieces, algorithm: file.algorithm),
            postProcessor: try Self.ends(file, pieces, config), decoder: try SentencePieceDecoder(file, pieces),
            added: added)
    }

    /// What puts the tokens of the beginning and the end around a text, or nil.
    private static func ends(
        _ file: SentencePieceFile, _ pieces: SentencePieces, _ config: Settings
    ) throws(Failure) -> TemplateProcessing? {
        func id(_ key: String, _ fallback: Int32) throws(Failure) -> Int32? {
            guard try config.bool("add_\(key)", default: false) else { return nil }
            if config.has(key) {
                let name = try token(config, key, "")
                guard let id = pieces.vocabulary.id(of: name) else {
                    throw Failure(.corrupt, "\(config.path(key)): \(file.name) has no piece \(name.quoted)")
                }
                return id
            }
            guard fallback >= 0, Int(fallback) < pieces.kinds.count else {
                throw Failure(.corrupt, "\(config.path("add_\(key)")): \(file.name) has no such token")
            }
            return fallback
        }
        let (bos, eos) = (try id("bos_token", file.bosID), try id("eos_token", file.eosID))
        if bos == nil, eos == nil { return nil }
        return TemplateProcessing(
            prefix: bos.map { [$0] } ?? [], suffix: eos.map { [$0] } ?? [], typeOfSecond: 1)
    }
}

extension AddedTokens.Token {
    /// The tokens of `added_tokens_decoder` in the order of their ids.
    static func listed(in config: Settings) throws(Failure) -> [AddedTokens.Token] {
        guard config.has("added_tokens_decoder") else { return [] }
        let list = try config.settings("added_tokens_decoder")
        var found: [(id: Int, token: AddedTokens.Token)] = []
        for (key, value) in list.object.members {
            guard let id = Int(key), id >= 0 else {
                throw Failure(.corrupt, "\(list.path(key)): expected token ids as keys")
            }
            found.append((id, try AddedTokens.Token(try Settings(value, path: list.path(key)))))
        }
        return found.sorted { $0.id < $1.id }.map(\.token)
    }
}
