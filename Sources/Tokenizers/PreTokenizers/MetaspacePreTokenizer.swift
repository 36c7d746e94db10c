import NestlingBasics

/// Writes spaces as a visible character and cuts before each of them, as SentencePiece does.
struct MetaspacePreTokenizer: PreTokenizer {
    /// When the character is put before a text that does not begin with it.
    enum Prepending: String, Sendable {
        /// Only at the very beginning of the whole text.
        case first
        /// Never.
        case never
        /// At the beginning of the text and behind each added token.
        case always
    }

    let replacement: UInt32
    let prepending: Prepending
    let cuts: Bool

    /// Reads `pre_tokenizer` or `decoder` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        let characters = try json.string("replacement").unicodeScalars
        guard characters.count == 1, let only = characters.first else {
            throw json.expected("one character", "replacement")
        }
        replacement = only.value
        guard let scheme = Prepending(rawValue: try json.string("prepend_scheme", default: "always")) else {
            throw json.expected("first, never or always", "prepend_scheme")
        }
        // Older files say so with a truth value.
        if try json.bool("add_prefix_space", default: true) {
            prepending = scheme
        } else {
            guard scheme == .never || !json.has("prepend_scheme") else {
                throw Failure(.corrupt, "\(json.path("add_prefix_space")) contradicts prepend_scheme")
            }
            prepending = .never
        }
        cuts = try json.bool("split", default: true)
    }

    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        var mark: [UInt8] = []
        UTF8Text.append(replacement, to: &mark)
        try text.rewrite { source, piece, result in
            let first = source.bytes[piece.start] == 0x20 || source.bytes[piece.start..<piece.end].starts(with: mark)
            let prepends =
                switch prepending {
                case .always: !first
                case .first: !first && source.alignment(at: piece.start).start == 0
                case .never: false
                }
            if prepends { result.append(mark, aligned: source.alignment(at: piece.start)) }
            var position = piece.start
            while position < piece.end {
                if source.bytes[position] == 0x20 {
                    result.append(mark, aligned: source.alignment(at: position))
                    position += 1
                } else {
                    var end = position + 1
                    while end < piece.end, source.bytes[end] != 0x20 { end += 1 }
                    result.append(source, position..<end)
                    position = end
                }
            }
        }
        if cuts { try text.split(.mergedWithNext) { $0 == replacement } }
    }
}

extension AlignedText {
    /// Appends `bytes`, all in one place of the original. The alignment must be explicit.
    mutating func append(_ bytes: [UInt8], aligned place: (start: UInt32, end: UInt32)) {
        self.bytes.append(contentsOf: bytes)
        for _ in bytes {
            starts.append(place.start)
            ends.append(place.end)
        }
    }

    /// Appends a part of `source` with its alignment. The alignment of this text must be explicit.
    mutating func append(_ source: AlignedText, _ range: Range<Int>) {
        bytes.append(contentsOf: source.bytes[range])
        guard source.isIdentity else {
            starts.append(contentsOf: source.starts[range])
            ends.append(contentsOf: source.ends[range])
            return
        }
        var position = range.lowerBound
        while position < range.upperBound {
            let length = min(UTF8Text.length(lead: source.bytes[position]), range.upperBound - position)
            let start = UInt32(truncatingIfNeeded: source.origin + position)
            for _ in 0..<length {
                starts.append(start)
                ends.append(start + UInt32(truncatingIfNeeded: length))
            }
            position += length
        }
    }
}

extension PreTokenizedText {
    /// Writes the text anew: `body` appends what each piece of text becomes, no more than a few times its length; added
    /// tokens are copied.
    mutating func rewrite(_ body: (AlignedText, Piece, inout AlignedText) -> Void) throws(Failure) {
        var result = AlignedText([], origin: text.origin, limit: text.limit)
        result.isIdentity = false
        result.bytes.reserveCapacity(text.bytes.count + text.bytes.count / 4)
        result.starts.reserveCapacity(text.bytes.count + text.bytes.count / 4)
        result.ends.reserveCapacity(text.bytes.count + text.bytes.count / 4)
        var kept: [Piece] = []
        kept.reserveCapacity(pieces.count)
        for piece in pieces {
            let start = result.bytes.count
            if piece.isText { body(text, piece, &result) } else { result.append(text, piece.start..<piece.end) }
            guard result.bytes.count <= result.limit else {
                throw Failure(
                    .outOfMemory,
                    "the pre-tokenizers make more than \(result.limit) bytes of this text, which is the most they may")
            }
            if result.bytes.count > start {
                kept.append(Piece(start: start, end: result.bytes.count, token: piece.token))
            }
        }
        text = result
        pieces = kept
    }
}
