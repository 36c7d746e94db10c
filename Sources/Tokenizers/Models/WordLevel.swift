import NestlingBasics

/// Each word is an entry of the vocabulary, or the unknown token.
struct WordLevel: Model {
    private let vocabulary: Vocabulary
    private let unknownToken: String
    private let unknown: Int32?

    var name: String { "WordLevel" }
    var count: Int { vocabulary.count }
    func id(of token: UnsafeBufferPointer<UInt8>) -> Int32? { vocabulary.id(of: token) }
    func token(of id: Int32) -> ArraySlice<UInt8>? { vocabulary.token(of: id) }

    /// Reads `model` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        vocabulary = try json.vocabulary()
        unknownToken = try json.string("unk_token", default: "<unk>")
        unknown = vocabulary.id(of: unknownToken)
    }

    func tokenize(_ text: UnsafeBufferPointer<UInt8>, _ pieces: [Piece], into tokens: inout TokenList) throws(Failure) {
        for (word, piece) in pieces.enumerated() {
            if !piece.isText {
                tokens.append(piece.token, piece.start, piece.end, word: word)
                continue
            }
            let bytes = UnsafeBufferPointer(rebasing: text[piece.start..<piece.end])
            guard let id = vocabulary.id(of: bytes) ?? unknown else {
                throw Failure(
                    .corrupt, "the vocabulary has no unknown token \(unknownToken.quoted), which this text needs")
            }
            tokens.append(id, piece.start, piece.end, word: word)
        }
    }
}
