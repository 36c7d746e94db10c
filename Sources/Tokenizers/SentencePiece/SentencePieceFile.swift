import NestlingBasics

/// What a `tokenizer.model` of SentencePiece says, checked but not interpreted.
/// Source: `sentencepiece_model.proto` of google/sentencepiece.
struct SentencePieceFile: Sendable {
    /// How text is cut into pieces.
    enum Algorithm: Int32, Sendable {
        case unigram = 1
        case bpe = 2
        case word = 3
        case character = 4
    }

    /// What a piece is for.
    enum Kind: Int32, Sendable {
        case normal = 1
        /// Stands for whatever the vocabulary lacks.
        case unknown = 2
        /// Stands for no text, like `<s>`.
        case control = 3
        /// Is always one token wherever it occurs.
        case userDefined = 4
        /// Is used while merging, but is no token.
        case unused = 5
        /// One byte of a character that the vocabulary lacks.
        case byte = 6
    }

    /// One entry of the vocabulary.
    struct Piece: Sendable {
        var text: [UInt8] = []
        var score: Float = 0
        var kind = Kind.normal
    }

    /// How text is rewritten before it is cut (or after it was put together).
    struct Normalization: Sendable {
        var charsmap: [UInt8] = []
        var addsDummyPrefix = true
        var removesExtraSpaces = true
        var escapesSpaces = true
    }

    /// The file's name, for messages.
    let name: String
    private(set) var pieces: [Piece] = []
    private(set) var algorithm = Algorithm.unigram
    private(set) var hasByteFallback = false
    private(set) var spacesAreSuffixes = false
    /// What decoding writes for the unknown token.
    private(set) var unknownSurface = Array(" \u{2047} ".utf8)
    private(set) var bosID: Int32 = 1
    private(set) var eosID: Int32 = 2
    private(set) var unknownID: Int32 = 0
    private(set) var normalization = Normalization()
    private(set) var denormalization = Normalization()

    /// Reads `bytes`; they are not kept.
    init(_ bytes: UnsafeRawBufferPointer, name: String) throws(Failure) {
        self.name = name
        var reader = WireReader(bytes, path: name)
        while let field = try reader.next() {
            switch field.number {
            case 1: try readPiece(try reader.message(field, "pieces[\(pieces.count)]"))
            case 2: try readTrainer(try reader.message(field, "trainer_spec"))
            case 3: try Self.read(try reader.message(field, "normalizer_spec"), into: &normalization)
            case 5: try Self.read(try reader.message(field, "denormalizer_spec"), into: &denormalization)
            default: continue
            }
        }
        guard !pieces.isEmpty else { throw Failure(.corrupt, "\(name): is no SentencePiece model, it has no pieces") }
        guard pieces.count <= 1 << 28 else { throw Failure(.unsupported, "\(name): has \(pieces.count) pieces") }
    }

    private mutating func readPiece(_ message: WireReader) throws(Failure) {
        var (reader, piece) = (message, Piece())
        while let field = try reader.next() {
            switch field.number {
            case 1: piece.text = try reader.text(field, "piece")
            case 2: piece.score = try reader.float(field, "score")
            case 3:
                let number = try reader.int32(field, "type")
                guard let kind = Kind(rawValue: number) else {
                    throw Failure(.unsupported, "\(reader.path): pieces of type \(number) are not known")
                }
                piece.kind = kind
            default: continue
            }
        }
        guard !piece.text.isEmpty else { throw Failure(.corrupt, "\(reader.path): the piece is empty") }
        guard piece.score.isFinite else {
            throw Failure(.corrupt, "\(reader.path): the score is \(piece.score), expected a finite number")
        }
        pieces.append(piece)
    }

    private mutating func readTrainer(_ message: WireReader) throws(Failure) {
        var reader = message
        while let field = try reader.next() {
            switch field.number {
            case 3:
                let number = try reader.int32(field, "model_type")
                guard let algorithm = Algorithm(rawValue: number) else {
                    throw Failure(
                        .unsupported,
                        "\(reader.path): model_type is \(number), expected UNIGRAM, BPE, WORD or CHAR (1 to 4)")
                }
                self.algorithm = algorithm
            case 24: spacesAreSuffixes = try reader.bool(field, "treat_whitespace_as_suffix")
            case 35: hasByteFallback = try reader.bool(field, "byte_fallback")
            case 40: unknownID = try reader.int32(field, "unk_id")
            case 41: bosID = try reader.int32(field, "bos_id")
            case 42: eosID = try reader.int32(field, "eos_id")
            case 44: unknownSurface = try reader.text(field, "unk_surface")
            default: continue
            }
        }
    }

    private static func read(_ message: WireReader, into result: inout Normalization) throws(Failure) {
        var reader = message
        while let field = try reader.next() {
            switch field.number {
            case 2: result.charsmap = Array(try reader.bytes(field, "precompiled_charsmap"))
            case 3: result.addsDummyPrefix = try reader.bool(field, "add_dummy_prefix")
            case 4: result.removesExtraSpaces = try reader.bool(field, "remove_extra_whitespaces")
            case 5: result.escapesSpaces = try reader.bool(field, "escape_whitespaces")
            default: continue
            }
        }
    }
}
