import NestlingBasics

/// The tokens of a text as a model made them, with their places in the normalized text.
struct TokenList {
    var ids: [Int32] = []
    var starts: [Int] = []
    var ends: [Int] = []
    /// The number of the piece that each token came from.
    var words: [Int32] = []

    /// Adds the token `id` for the bytes `start ..< end` of the normalized text.
    @inline(__always)
    mutating func append(_ id: Int32, _ start: Int, _ end: Int, word: Int) {
        ids.append(id)
        starts.append(start)
        ends.append(end)
        words.append(Int32(truncatingIfNeeded: word))
    }

    /// Drops the tokens past the first `count`.
    mutating func truncate(to count: Int) {
        let extra = max(0, ids.count - count)
        ids.removeLast(extra)
        starts.removeLast(extra)
        ends.removeLast(extra)
        words.removeLast(extra)
    }
}

/// The stage that turns pieces of text into token ids.
protocol Model: Sendable {
    /// What tokenizer.json calls this kind of model.
    var name: String { get }
    /// How many entries the model's own vocabulary has.
    var count: Int { get }
    /// The id of `token`, or nil.
    func id(of token: UnsafeBufferPointer<UInt8>) -> Int32?
    /// The bytes of the token with the id `id`, or nil.
    func token(of id: Int32) -> ArraySlice<UInt8>?
    /// Appends the tokens of all `pieces`, in order. A piece that is an added token becomes that token.
    ///
    /// It gets all pieces of a text at once so that scratch memory and caches live for one call and need no locks.
    func tokenize(_ text: UnsafeBufferPointer<UInt8>, _ pieces: [Piece], into tokens: inout TokenList) throws(Failure)
    /// The unknown token, if such a token keeps the text it stands for as its own; nil if it does not.
    var unknownThatKeepsText: Int32? { get }
    /// See the default below.
    func readingBytes() -> (any Model)?
}

extension Model {
    var unknownThatKeepsText: Int32? { nil }

    /// A version of this model for text in which each byte stands for its character of the byte-level alphabet, or nil if
    /// there is none. It spares writing out those characters, which double the text.
    func readingBytes() -> (any Model)? { nil }
}

/// The models that can be read, by their names in tokenizer.json.
enum Models {
    static func read(_ json: Settings) throws(Failure) -> any Model {
        switch try json.type(default: Models.guess(json)) {
        case "WordPiece": try WordPiece(json)
        case "BPE": try BPE(json)
        case "Unigram": try Unigram(json)
        case "WordLevel": try WordLevel(json)
        case let other: throw json.unsupported("model", other)
        }
    }

    /// Old files leave the type out; it shows in the members.
    private static func guess(_ json: Settings) -> String? {
        if json.has("merges") { return "BPE" }
        if json.has("unk_id") { return "Unigram" }
        if json.has("continuing_subword_prefix") { return "WordPiece" }
        return json.has("vocab") ? "WordLevel" : nil
    }
}
