import NestlingBasics

/// Text to token ids and back: the pipeline of a `tokenizer.json`, or of a BERT `vocab.txt`.
///
/// Ids, offsets, word ids and decoded text are those of the Python package `tokenizers`. A tokenizer is immutable: any
/// number of threads may use one at once, without locks. The truncation and padding that a file asks for are readable
/// but not applied.
public final class Tokenizer: Sendable {
    let normalizer: (any Normalizer)?
    let preTokenizer: (any PreTokenizer)?
    let model: any Model
    let postProcessor: (any PostProcessor)?
    let decoder: (any Decoder)?
    private let tokenwiseDecoder: (any TokenwiseDecoder)?
    let addedTokens: AddedTokens
    /// The white space of the model's tokens by their ids, if the post-processor wants it. Looking at the tokens themselves
    /// would count references to the vocabulary, token by token, which threads do not do side by side.
    private let tokenMargins: [TokenMargins]

    /// The truncation that the file asks for; see ``encode(_:pair:addSpecialTokens:truncation:)``.
    public let truncation: Truncation?
    /// The padding that the file asks for.
    public let padding: Padding?
    /// The ids of the special tokens, in ascending order.
    public let specialTokenIDs: [Int32]
    /// The id of the padding token: of ``padding``, or of a token named `[PAD]` or `<pad>`.
    public let paddingID: Int32?

    init(
        normalizer: (any Normalizer)?, preTokenizer: (any PreTokenizer)?, model: any Model,
        postProcessor: (any PostProcessor)?, decoder: (any Decoder)?, added: [AddedTokens.Token],
        truncation: Truncation? = nil, padding: Padding? = nil
    ) throws(Failure) {
        self.normalizer = normalizer
        if let keeping = preTokenizer?.keepingBytes(), let reading = model.readingBytes() {
            (self.preTokenizer, self.model) = (keeping, reading)
        } else {
            (self.preTokenizer, self.model) = (preTokenizer, model)
        }
        self.postProcessor = postProcessor
        let ids = postProcessor?.trimsOffsets == true ? 0..<Int32(clamping: model.count) : 0..<0
        tokenMargins = ids.map { TokenMargins(model.token(of: $0) ?? []) }
        self.decoder = decoder
        tokenwiseDecoder = decoder as? any TokenwiseDecoder
        self.truncation = truncation
        self.padding = padding
        let addedTokens = try AddedTokens(added, model: model, normalizer: normalizer)
        self.addedTokens = addedTokens
        specialTokenIDs = addedTokens.specialIDs
        var paddingID = padding?.id
        for name in ["[PAD]", "<pad>"] where paddingID == nil {
            let bytes = Array(name.utf8)
            paddingID = addedTokens.id(of: bytes) ?? bytes.withUnsafeBufferPointer { model.id(of: $0) }
        }
        self.paddingID = paddingID
    }

    // MARK: - Vocabulary

    /// How many tokens there are, added ones included.
    public var vocabularySize: Int { model.count + addedTokens.countOutsideModel }

    /// The id of `token`, or nil if the vocabulary lacks it.
    public func id(of token: String) -> Int32? {
        let bytes = Array(token.utf8)
        return addedTokens.id(of: bytes) ?? bytes.withUnsafeBufferPointer { model.id(of: $0) }
    }

    /// The token with the id `id`, as the vocabulary spells it, or nil.
    public func token(of id: Int32) -> String? {
        if let content = addedTokens.content(of: id) { return String(decoding: content, as: UTF8.self) }
        return model.token(of: id).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The tokens of `encoding`, as the vocabulary spells them.
    public func tokens(of encoding: Encoding) -> [String] {
        // A long token that comes often is stored once.
        var known: [Int32: String] = [:]
        return encoding.ids.map { id in
            if let token = known[id] { return token }
            let token = token(of: id) ?? ""
            known[id] = token
            return token
        }
    }

    // MARK: - Encoding

    /// Turns text into token ids.
    ///
    /// - Parameters:
    ///   - text: UTF-8.
    ///   - pair: A second text, UTF-8, for tokenizers that join two.
    ///   - addSpecialTokens: Whether the post-processor adds its special tokens.
    ///   - maximumTokens: Cuts to this many tokens, special ones included; of a pair the longer text first.
    ///   - keepsOverflow: Whether what is cut off is kept in ``Encoding/overflowing``.
    /// - Throws: `invalidArgument` if a text is not UTF-8 (the message names the byte) or cannot be cut to
    ///   `maximumTokens`; `corrupt` if the vocabulary lacks an unknown token that the text needs; `unsupported` if a
    ///   regular expression of the file takes too long on the text; `outOfMemory` if the file would make many times as
    ///   much of the text as tokenizers do (the message tells the limit).
    public func encode(
        _ text: UnsafeBufferPointer<UInt8>, pair: UnsafeBufferPointer<UInt8>? = nil, addSpecialTokens: Bool = true,
        maximumTokens: Int? = nil, keepsOverflow: Bool = true
    ) throws(Failure) -> Encoding {
        try encode(
            text, pair: pair, addSpecialTokens: addSpecialTokens,
            truncation: maximumTokens.map { Truncation(maximumTokens: $0) }, keepsOverflow: keepsOverflow)
    }

    /// As ``encode(_:pair:addSpecialTokens:maximumTokens:keepsOverflow:)``, with every setting of truncation.
    ///
    /// - Parameter plain: Ranges of bytes of `text`, rising, that are text and nothing else: no added token is found that has a
    ///   byte in one of them.
    public func encode(
        _ text: UnsafeBufferPointer<UInt8>, pair: UnsafeBufferPointer<UInt8>? = nil, plain: [Range<Int>] = [],
        addSpecialTokens: Bool = true, truncation: Truncation?, keepsOverflow: Bool = true
    ) throws(Failure) -> Encoding {
        var encodings = [try encodeAlone(text, plain: plain, sequence: 0)]
        if let pair { encodings.append(try encodeAlone(pair, plain: [], sequence: 1)) }
        let limit = Limits.joinedTokens(of: encodings.reduce(0) { $0 + $1.count })
        if let truncation {
            let added = addSpecialTokens ? postProcessor?.addedTokens(isPair: pair != nil) ?? 0 : 0
            try truncation.cut(&encodings, added: added, keepsOverflow: keepsOverflow, limit: limit)
        }
        if let postProcessor {
            let texts = pair.map { [text, $0] } ?? [text]
            encodings = try postProcessor.process(
                encodings, of: texts, addSpecialTokens: addSpecialTokens, limit: limit)
        }
        return try Encoding.joined(encodings, limit: limit)
    }

    /// As ``encode(_:pair:addSpecialTokens:maximumTokens:keepsOverflow:)``, of strings.
    public func encode(
        _ text: String, pair: String? = nil, addSpecialTokens: Bool = true, maximumTokens: Int? = nil,
        keepsOverflow: Bool = true
    ) throws(Failure) -> Encoding {
        let first = Array(text.utf8)
        let second = pair.map { Array($0.utf8) }
        var outcome: Result<Encoding, Failure> = .failure(Failure(.internal, "nothing was encoded"))
        first.withUnsafeBufferPointer { first in
            (second ?? []).withUnsafeBufferPointer { buffer in
                do throws(Failure) {
                    outcome = .success(
                        try encode(
                            first, pair: second == nil ? nil : buffer, addSpecialTokens: addSpecialTokens,
                            maximumTokens: maximumTokens, keepsOverflow: keepsOverflow))
                } catch {
                    outcome = .failure(error)
                }
            }
        }
        return try outcome.get()
    }

    private func encodeAlone(
        _ text: UnsafeBufferPointer<UInt8>, plain: [Range<Int>], sequence: Int8
    ) throws(Failure) -> Encoding {
        if let position = UTF8Text.firstInvalidByte(text) {
            throw Failure(.invalidArgument, "the text is not UTF-8: byte \(position) cannot stand where it is")
        }
        // Normalization may make a text longer, and places in it have 32 bits.
        guard text.count < 1 << 30 else {
            throw Failure(.invalidArgument, "the text has \(text.count) bytes; at most \(1 << 30) are possible")
        }
        if let last = plain.last {
            let areRising = zip(plain, plain.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound }
            guard areRising, plain[0].lowerBound >= 0, last.upperBound <= text.count else {
                throw Failure(.invalidArgument, "plain ranges must rise within the text's \(text.count) bytes")
            }
        }
        var work = try addedTokens.extract(text, plain: plain.filter { !$0.isEmpty }, normalizer: normalizer)
        if let preTokenizer { try preTokenizer.preTokenize(&work) }
        let tokens = try tokenize(work)
        var result = encoding(of: tokens, in: work, sequence: sequence)
        if postProcessor?.trimsOffsets == true { result.margins = margins(of: tokens, in: work) }
        return result
    }

    private func tokenize(_ work: PreTokenizedText) throws(Failure) -> TokenList {
        var tokens = TokenList()
        var failure: Failure?
        work.text.bytes.withUnsafeBufferPointer { bytes in
            do throws(Failure) { try model.tokenize(bytes, work.pieces, into: &tokens) } catch { failure = error }
        }
        if let failure { throw failure }
        return tokens
    }

    private func encoding(of tokens: TokenList, in work: PreTokenizedText, sequence: Int8) -> Encoding {
        var result = Encoding()
        let count = tokens.ids.count
        result.offsets.reserveCapacity(count)
        for index in 0..<count {
            let (start, end) = (tokens.starts[index], tokens.ends[index])
            let piece = work.pieces[Int(tokens.words[index])]
            if end <= piece.end, end > start {
                let first = Int(work.text.alignment(at: start).start)
                result.offsets.append(first..<max(first, Int(work.text.alignment(at: end - 1).end)))
            } else if end == start {
                let place = Int(work.text.alignment(at: piece.start).start) + start - piece.start
                result.offsets.append(place..<place)
            } else {
                // Bytes of an end-of-word marker are in no text; the reference counts them on from the piece.
                result.offsets.append(start - piece.start..<end - piece.start)
            }
        }
        result.ids = tokens.ids
        result.wordIDs = tokens.words
        result.typeIDs = [Int32](repeating: Int32(sequence), count: count)
        result.specialTokensMask = [UInt8](repeating: 0, count: count)
        result.sequenceIDs = [Int8](repeating: sequence, count: count)
        return result
    }

    /// The white space at the ends of each token: of the text of an added token, of the vocabulary's entry for others.
    private func margins(of tokens: TokenList, in work: PreTokenizedText) -> [TokenMargins] {
        let known = tokenMargins
        return tokens.ids.indices.map { index in
            let piece = work.pieces[Int(tokens.words[index])]
            if !piece.isText { return TokenMargins(work.text.bytes[piece.start..<piece.end]) }
            if tokens.ids[index] == model.unknownThatKeepsText {
                return TokenMargins(work.text.bytes[tokens.starts[index]..<tokens.ends[index]])
            }
            let id = Int(tokens.ids[index])
            return id < known.count ? known[id] : TokenMargins(model.token(of: tokens.ids[index]) ?? [])
        }
    }

    // MARK: - Decoding

    /// The text of token ids. Ids that the vocabulary lacks are left out.
    ///
    /// - Parameter skipSpecialTokens: Whether special tokens are left out as well.
    /// - Throws: `outOfMemory` if the file would make many times as much of the ids as tokenizers do (the message tells the
    ///   limit); `unsupported` if a regular expression of the file takes too long on the tokens.
    public func decode(_ ids: [Int32], skipSpecialTokens: Bool = true) throws(Failure) -> String {
        var tokens: [[UInt8]] = []
        var text: [UInt8] = []
        if tokenwiseDecoder == nil { tokens.reserveCapacity(ids.count) } else { text.reserveCapacity(4 * ids.count) }
        let limit = Limits.spelledBytes(of: ids.count)
        var spelled = 0
        for id in ids {
            guard let token = addedTokens.content(of: id)?[...] ?? model.token(of: id) else { continue }
            if skipSpecialTokens, addedTokens.isSpecial(token) { continue }
            spelled += token.count
            guard spelled <= limit else {
                throw Failure(
                    .outOfMemory,
                    "\(ids.count) tokens are spelled with more than \(limit) bytes, the most for that many")
            }
            if let tokenwiseDecoder {
                token.withUnsafeBufferPointer { tokenwiseDecoder.append($0, to: &text) }
            } else {
                tokens.append(Array(token))
            }
        }
        if tokenwiseDecoder != nil { return UTF8Text.string(text) }
        if let decoder {
            let decoded = try decoder.decode(tokens, limit: Limits.decodedBytes(of: spelled))
            return UTF8Text.string(Array(decoded.joined()))
        }
        return UTF8Text.string(Array(tokens.joined(separator: [0x20])))
    }
}
