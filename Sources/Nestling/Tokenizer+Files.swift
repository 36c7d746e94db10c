public import NestlingCheckpoints
public import NestlingTokenizers

extension Tokenizer {
    /// The files that hold a tokenizer, for messages.
    public static let fileNames =
        "tokenizer.json, \(TokenizerFiles.sentencePieceNames.joined(separator: ", ")), vocab.txt, or vocab.json with merges.txt"

    /// The tokenizer of a checkpoint: `tokenizer.json`, or else a SentencePiece model (`tokenizer.model`, `spiece.model`,
    /// `sentencepiece.bpe.model`, `spm.model`), or else `vocab.txt`, or else `vocab.json` with `merges.txt`; `nil` if there
    /// is none.
    public convenience init?(in source: any FileSource, folder: String = "") throws(Failure) {
        guard let files = try TokenizerFiles(source, folder: folder) else { return nil }
        try self.init(files)
    }

    /// Opens a `tokenizer.json`, a SentencePiece model or a `vocab.txt`, or a directory or GGUF file that holds a tokenizer.
    public convenience init(path: String) throws(Failure) {
        if path.hasSuffix(CheckpointPath.suffix) || (try? DirectorySource(path: path)) != nil {
            guard let files = try TokenizerFiles(CheckpointPath.open(path), folder: "") else {
                throw Failure(.notFound, "\(path): has none of \(Self.fileNames)")
            }
            try self.init(files)
            return
        }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let folder = parts.dropLast().joined(separator: "/")
        let name = String(parts.last ?? "")
        let source = try DirectorySource(path: folder.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : folder)
        guard source.contains(name), let file = try source.file(name) else {
            throw Failure(.notFound, "\(path): there is no such file")
        }
        let settings = try source.fields("tokenizer_config.json")?.object
        if name.hasSuffix(".model") {
            try self.init(.sentencePiece(file, settings))
        } else {
            try self.init(name.hasSuffix(".txt") ? .vocabulary(file, settings) : .json(file))
        }
    }

    private convenience init(_ files: TokenizerFiles) throws(Failure) {
        defer { withExtendedLifetime(files) {} }
        switch files {
        case .json(let file): try self.init(json: file.bytes, name: file.name)
        case .sentencePiece(let file, let settings):
            try self.init(sentencePiece: file.bytes, name: file.name, settings: settings)
        case .vocabulary(let file, let settings):
            try self.init(vocabulary: file.bytes, name: file.name, settings: settings)
        case .merges(let vocabulary, let merges, let settings):
            try self.init(vocabulary: vocabulary.bytes, merges: merges.bytes, name: vocabulary.name, settings: settings)
        }
    }
}

/// The files that a tokenizer is made of.
private enum TokenizerFiles {
    /// What checkpoints call their SentencePiece models.
    static let sentencePieceNames = ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "spm.model"]

    case json(FileBytes)
    case sentencePiece(FileBytes, JSONObject?)
    case vocabulary(FileBytes, JSONObject?)
    case merges(vocabulary: FileBytes, merges: FileBytes, JSONObject?)

    /// What is found in `folder` of `source`, the most telling first; `nil` if there is nothing.
    init?(_ source: any FileSource, folder: String) throws(Failure) {
        func name(_ file: String) -> String { folder.isEmpty ? file : "\(folder)/\(file)" }
        if let file = try source.file(name("tokenizer.json")) {
            self = .json(file)
            return
        }
        let settings = try source.fields(name("tokenizer_config.json"))?.object
        for known in Self.sentencePieceNames {
            if let file = try source.file(name(known)) {
                self = .sentencePiece(file, settings)
                return
            }
        }
        if let file = try source.file(name("vocab.txt")) {
            self = .vocabulary(file, settings)
        } else if let file = try source.file(name("vocab.json")), let merges = try source.file(name("merges.txt")) {
            self = .merges(vocabulary: file, merges: merges, settings)
        } else {
            return nil
        }
    }
}
