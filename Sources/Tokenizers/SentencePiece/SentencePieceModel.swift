import NestlingBasics

/// The vocabulary of a `tokenizer.model` and the way it cuts text. The ids are those of the Python package `sentencepiece`.
/// Source: `model_interface.cc` and `sentencepiece_processor.cc` of google/sentencepiece.
struct SentencePieceModel: Model {
    /// A run of bytes of the text that is one piece.
    struct Segment {
        var start: Int
        var end: Int
        var id: Int32
    }

    private let pieces: SentencePieces
    private let algorithm: SentencePieceFile.Algorithm
    private let unigram: SentencePieceUnigram

    var name: String {
        switch algorithm {
        case .unigram: "Unigram"
        case .bpe: "BPE"
        case .word: "Word"
        case .character: "Char"
        }
    }
    var count: Int { pieces.vocabulary.count }
    func id(of token: UnsafeBufferPointer<UInt8>) -> Int32? { pieces.vocabulary.id(of: token) }
    func token(of id: Int32) -> ArraySlice<UInt8>? { pieces.vocabulary.token(of: id) }

    init(_ pieces: SentencePieces, algorithm: SentencePieceFile.Algorithm) {
        self.pieces = pieces
        self.algorithm = algorithm
        unigram = SentencePieceUnigram(algorithm == .unigram ? pieces : nil)
    }

    func tokenize(_ text: UnsafeBufferPointer<UInt8>, _ parts: [Piece], into tokens: inout TokenList) throws(Failure) {
        var merging = SentencePieceMerging()
        for (word, part) in parts.enumerated() {
            if !part.isText {
                tokens.append(part.token, part.start, part.end, word: word)
                continue
            }
            let bytes = UnsafeBufferPointer(rebasing: text[part.start..<part.end])
            let segments =
                switch algorithm {
                case .unigram: unigram.segments(bytes)
                case .bpe: merging.segments(bytes, pieces)
                case .word: words(bytes)
                case .character: characters(bytes)
                }
            append(segments, bytes, part.start, word, &tokens)
        }
    }

    /// Adds the tokens of `segments`: of an unknown one its bytes, if the vocabulary has them; otherwise neighbouring
    /// unknown ones are one token.
    private func append(
        _ segments: [Segment], _ bytes: UnsafeBufferPointer<UInt8>, _ shift: Int, _ word: Int,
        _ tokens: inout TokenList
    ) {
        var isAfterUnknown = false
        for segment in segments {
            let isUnknown = segment.id == pieces.unknown
            if isUnknown, !pieces.bytes.isEmpty {
                for byte in bytes[segment.start..<segment.end] {
                    tokens.append(pieces.bytes[Int(byte)], shift + segment.start, shift + segment.end, word: word)
                }
            } else if isUnknown, isAfterUnknown, let last = tokens.ends.indices.last {
                tokens.ends[last] = shift + segment.end
            } else {
                tokens.append(segment.id, shift + segment.start, shift + segment.end, word: word)
            }
            isAfterUnknown = isUnknown
        }
    }

    /// Cuts before every `▁`; each part is a piece or unknown.
    private func words(_ bytes: UnsafeBufferPointer<UInt8>) -> [Segment] {
        var segments: [Segment] = []
        var start = 0
        var position = 0
        while position < bytes.count {
            position += min(UTF8Text.length(lead: bytes[position]), bytes.count - position)
            let isMark =
                bytes.count - position >= 3 && bytes[position] == 0xE2 && bytes[position + 1] == 0x96
                && bytes[position + 2] == 0x81
            if isMark || position == bytes.count {
                let id = pieces.id(UnsafeBufferPointer(rebasing: bytes[start..<position]))
                segments.append(Segment(start: start, end: position, id: id))
                start = position
            }
        }
        return segments
    }

    /// Cuts into user-defined symbols and characters.
    private func characters(_ bytes: UnsafeBufferPointer<UInt8>) -> [Segment] {
        var segments: [Segment] = []
        var position = 0
        while position < bytes.count {
            let end =
                pieces.userDefined.longestMatch(bytes, position)
                ?? min(position + UTF8Text.length(lead: bytes[position]), bytes.count)
            let id = pieces.id(UnsafeBufferPointer(rebasing: bytes[position..<end]))
            segments.append(Segment(start: position, end: end, id: id))
            position = end
        }
        return segments
    }
}

/// The pieces of a file with what every algorithm needs of them.
struct SentencePieces: Sendable {
    let vocabulary: Vocabulary
    /// Per id: what the piece is for.
    let kinds: [SentencePieceFile.Kind]
    /// Per id: the score.
    let scores: [Float]
    /// The id of the unknown token.
    let unknown: Int32
    /// The ids of the bytes, all 256 of them; empty without byte fallback.
    let bytes: [Int32]
    /// The user-defined symbols.
    let userDefined: ByteTrie

    init(_ file: SentencePieceFile) throws(Failure) {
        var vocabulary = Vocabulary()
        var userDefined = ByteTrie()
        var unknown: Int32?
        var bytes = [Int32](repeating: -1, count: 256)
        var byteCount = 0
        for (index, piece) in file.pieces.enumerated() {
            let id = Int32(truncatingIfNeeded: index)
            func failure(_ message: String) -> Failure {
                Failure(
                    .corrupt,
                    "\(file.name): pieces[\(index)]: \(String(decoding: piece.text.prefix(100), as: UTF8.self).quoted) "
                        + message)
            }
            let known = piece.text.withUnsafeBufferPointer { text in
                let known = vocabulary.id(of: text)
                vocabulary.add(text, id: id)
                return known
            }
            if known != nil { throw failure("is defined twice") }
            switch piece.kind {
            case .userDefined: userDefined.insert(piece.text, value: id)
            case .unknown:
                if unknown != nil { throw failure("is a second unknown piece") }
                unknown = id
            case .byte:
                guard file.hasByteFallback else { throw failure("is a byte, but byte_fallback is off") }
                guard let byte = ByteFallbackDecoder.byte(piece.text) else { throw failure("is no byte like <0xE2>") }
                if bytes[Int(byte)] < 0 { byteCount += 1 }
                bytes[Int(byte)] = id
            case .normal, .control, .unused: continue
            }
        }
        guard let unknown else { throw Failure(.corrupt, "\(file.name): has no unknown piece") }
        guard !file.hasByteFallback || byteCount == 256 else {
            throw Failure(.corrupt, "\(file.name): byte_fallback is on, but only \(byteCount) of 256 bytes are there")
        }
        self.vocabulary = vocabulary
        self.userDefined = userDefined
        self.unknown = unknown
        self.bytes = file.hasByteFallback ? bytes : []
        kinds = file.pieces.map(\.kind)
        scores = file.pieces.map(\.score)
    }

    /// Whether the piece `id` can be found in a text: bytes, control and unknown pieces cannot.
    func isText(_ id: Int32) -> Bool {
        switch kinds[Int(id)] {
        case .normal, .userDefined, .unused: true
        case .unknown, .control, .byte: false
        }
    }

    /// The id of the piece `text`, or that of the unknown token. Unused pieces are no tokens.
    func id(_ text: UnsafeBufferPointer<UInt8>) -> Int32 {
        guard let id = vocabulary.id(of: text), isText(id), kinds[Int(id)] != .unused else { return unknown }
        return id
    }
}
