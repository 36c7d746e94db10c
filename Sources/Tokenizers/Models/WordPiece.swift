import NestlingBasics

/// WordPiece: each word becomes the longest entries of the vocabulary from left to right; all but the first are looked
/// up behind a prefix (`##`). A word that cannot be spelled is one unknown token.
/// Source: Schuster and Nakajima, "Japanese and Korean Voice Search", 2012; Devlin et al., "BERT", 2019.
struct WordPiece: Model {
    private let vocabulary: Vocabulary
    private let first: ByteTrie
    private let continuing: ByteTrie
    private let unknown: Int32?
    private let unknownToken: String
    private let maximumCharacters: Int

    var name: String { "WordPiece" }
    var count: Int { vocabulary.count }
    func id(of token: UnsafeBufferPointer<UInt8>) -> Int32? { vocabulary.id(of: token) }
    func token(of id: Int32) -> ArraySlice<UInt8>? { vocabulary.token(of: id) }

    /// A model over `vocabulary`.
    init(
        _ vocabulary: Vocabulary, unknownToken: String, prefix: String = "##", maximumCharacters: Int = 100
    ) {
        self.vocabulary = vocabulary
        self.unknownToken = unknownToken
        self.maximumCharacters = maximumCharacters
        unknown = vocabulary.id(of: unknownToken)
        let prefix = Array(prefix.utf8)
        var (whole, rest) = (ByteTrie(), ByteTrie())
        for (token, id) in vocabulary.entries where !token.isEmpty {
            whole.insert(token, value: id)
            if token.count > prefix.count, token.starts(with: prefix) {
                rest.insert(token.dropFirst(prefix.count), value: id)
            }
        }
        first = whole
        continuing = rest
    }

    /// Reads `model` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        self.init(
            try json.vocabulary(), unknownToken: try json.string("unk_token", default: "[UNK]"),
            prefix: try json.string("continuing_subword_prefix", default: "##"),
            maximumCharacters: try json.count("max_input_chars_per_word", default: 100))
    }

    func tokenize(_ text: UnsafeBufferPointer<UInt8>, _ pieces: [Piece], into tokens: inout TokenList) throws(Failure) {
        for (word, piece) in pieces.enumerated() {
            if !piece.isText {
                tokens.append(piece.token, piece.start, piece.end, word: word)
                continue
            }
            let before = tokens.ids.count
            if isTooLong(text, piece) || !spell(text, piece, word, &tokens) {
                guard let unknown else {
                    throw Failure(
                        .corrupt, "the vocabulary has no unknown token \(unknownToken.quoted), which this text needs")
                }
                tokens.truncate(to: before)
                tokens.append(unknown, piece.start, piece.end, word: word)
            }
        }
    }

    private func isTooLong(_ text: UnsafeBufferPointer<UInt8>, _ piece: Piece) -> Bool {
        if piece.end - piece.start <= maximumCharacters { return false }
        var characters = 0
        for position in piece.start..<piece.end where text[position] & 0xC0 != 0x80 { characters += 1 }
        return characters > maximumCharacters
    }

    /// Appends the entries that spell the piece; false if there are none.
    private func spell(
        _ text: UnsafeBufferPointer<UInt8>, _ piece: Piece, _ word: Int, _ tokens: inout TokenList
    ) -> Bool {
        var start = piece.start
        while start < piece.end {
            var (found, foundEnd): (Int32, Int) = (-1, start)
            var node = ByteTrie.root
            var position = start
            if start == piece.start {
                while position < piece.end {
                    node = first.next(node, text[position])
                    if node < 0 { break }
                    position += 1
                    if first.value(node) >= 0 { (found, foundEnd) = (first.value(node), position) }
                }
            } else {
                while position < piece.end {
                    node = continuing.next(node, text[position])
                    if node < 0 { break }
                    position += 1
                    if continuing.value(node) >= 0 { (found, foundEnd) = (continuing.value(node), position) }
                }
            }
            if found < 0 { return false }
            tokens.append(found, start, foundEnd, word: word)
            start = foundEnd
        }
        return true
    }
}
