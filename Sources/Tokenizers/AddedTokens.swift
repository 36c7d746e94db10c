import NestlingBasics

/// Tokens that are found in the text before anything else looks at it: special tokens, and words added after training.
struct AddedTokens: Sendable {
    /// One added token.
    struct Token: Sendable {
        var content: String
        var singleWord: Bool
        var stripLeft: Bool
        var stripRight: Bool
        var normalized: Bool
        var special: Bool
        /// Whether the token is looked for in texts.
        var isFound = true

        /// An ordinary special token.
        init(special content: String) {
            self.content = content
            (singleWord, stripLeft, stripRight, normalized, special) = (false, false, false, false, true)
        }

        /// Reads an element of `added_tokens`.
        init(_ json: Settings) throws(Failure) {
            content = try json.string("content")
            singleWord = try json.bool("single_word", default: false)
            stripLeft = try json.bool("lstrip", default: false)
            stripRight = try json.bool("rstrip", default: false)
            special = try json.bool("special", default: false)
            normalized = try json.bool("normalized", default: !special)
        }
    }

    private var ids: [[UInt8]: Int32] = [:]
    private var tokens: [Int32: Token] = [:]
    /// What decoding sees of the tokens: the normalized form for those that are matched in normalized text.
    private var contents: [Int32: [UInt8]] = [:]
    private var specialContents: Set<[UInt8]> = []
    /// Where special tokens begin with this byte; most tokens are known not to be one by that.
    private var beginsSpecial = [Bool](repeating: false, count: 256)
    /// The ids that ``contents`` has lie in here.
    private var idBounds: ClosedRange<Int32>?
    private var rawTrie = ByteTrie()
    private var normalizedTrie = ByteTrie()
    /// How many added tokens the model does not have itself.
    private(set) var countOutsideModel = 0

    private static func checkLength(_ count: Int) throws(Failure) {
        guard count <= Limits.addedTokenBytes else {
            throw Failure(
                .unsupported, "an added token has \(count) bytes; at most \(Limits.addedTokenBytes) are looked for")
        }
    }

    /// Adds `list` in order. A token that the model knows keeps its id; the others are numbered from the size of the
    /// model's vocabulary on, whatever ids the file gives, as in the reference.
    init(_ list: [Token], model: any Model, normalizer: (any Normalizer)?) throws(Failure) {
        var nextID = model.count
        let allBytes = list.reduce(0) { $0 + $1.content.utf8.count }
        let limit = Limits.normalizedBytes(of: allBytes)
        var normalizedBytes = 0
        for token in list where !token.content.isEmpty {
            let bytes = Array(token.content.utf8)
            try Self.checkLength(bytes.count)
            let id: Int32
            if let known = ids[bytes] ?? bytes.withUnsafeBufferPointer({ model.id(of: $0) }) {
                id = known
            } else {
                guard let new = Int32(exactly: nextID) else { throw Failure(.corrupt, "too many added tokens") }
                id = new
                nextID += 1
            }
            if ids[bytes] == nil, bytes.withUnsafeBufferPointer({ model.id(of: $0) }) == nil { countOutsideModel += 1 }
            ids[bytes] = id
            tokens[id] = token
            contents[id] = bytes
            idBounds = min(idBounds?.lowerBound ?? id, id)...max(idBounds?.upperBound ?? id, id)
            if token.special {
                specialContents.insert(bytes)
                beginsSpecial[Int(bytes[0])] = true
            }
            if token.normalized, let normalizer {
                var text = AlignedText(bytes, origin: 0, limit: limit - normalizedBytes)
                try normalizer.normalize(&text)
                if text.isTooLong {
                    throw Failure(
                        .outOfMemory,
                        "the normalizer makes more than \(limit) bytes of added tokens of \(allBytes) bytes together")
                }
                try Self.checkLength(text.bytes.count)
                normalizedBytes += text.bytes.count
                contents[id] = text.bytes
            }
        }
        // Of several tokens with one normalized form the first is found.
        for (id, token) in tokens.sorted(by: { $0.key > $1.key }) {
            guard token.isFound, let content = contents[id], !content.isEmpty else { continue }
            if token.normalized {
                normalizedTrie.insert(content, value: id)
            } else {
                rawTrie.insert(content, value: id)
            }
        }
    }

    /// The id of the added token `content`, or nil.
    func id(of content: [UInt8]) -> Int32? { ids[content] }

    /// What decoding sees of the added token `id`, or nil.
    func content(of id: Int32) -> [UInt8]? { idBounds?.contains(id) == true ? contents[id] : nil }

    /// Whether `content` is a special token.
    func isSpecial(_ content: ArraySlice<UInt8>) -> Bool {
        guard let first = content.first, beginsSpecial[Int(first)] else { return false }
        return specialContents.contains(Array(content))
    }

    /// All added tokens with their ids, in the order of the ids.
    var all: [(id: Int32, token: Token)] { tokens.map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 } }

    /// The ids of all special tokens, in ascending order.
    var specialIDs: [Int32] { tokens.filter { $0.value.special }.map(\.key).sorted() }

    /// Cuts `text` at added tokens and normalizes what is between them. No token is found that has a byte in one of the ranges
    /// `plain`, which rise.
    func extract(
        _ text: UnsafeBufferPointer<UInt8>, plain: [Range<Int>] = [], normalizer: (any Normalizer)?
    ) throws(Failure) -> PreTokenizedText {
        let limit = Limits.normalizedBytes(of: text.count)
        var result = PreTokenizedText(text: AlignedText([], origin: 0, limit: limit))
        for part in find(in: text, rawTrie, plain: plain) {
            let origin = part.start
            let slice = UnsafeBufferPointer(rebasing: text[part.start..<part.end])
            if !part.isText {
                let start = result.text.bytes.count
                result.text.append(AlignedText(slice, origin: origin, limit: limit))
                result.pieces.append(Piece(start: start, end: start + slice.count, token: part.token))
                continue
            }
            var normalized = AlignedText(slice, origin: origin, limit: limit - result.text.bytes.count)
            if let normalizer { try normalizer.normalize(&normalized) }
            if normalized.isTooLong {
                throw Failure(
                    .outOfMemory,
                    "the normalizer makes more than \(limit) bytes of a text of \(text.count), which is the most it may"
                )
            }
            let start = result.text.bytes.count
            let normalizedPlain = normalizedTrie.isEmpty ? [] : normalized.positions(in: plain)
            let found = normalized.bytes.withUnsafeBufferPointer {
                find(in: $0, normalizedTrie, plain: normalizedPlain)
            }
            for piece in found {
                result.pieces.append(Piece(start: start + piece.start, end: start + piece.end, token: piece.token))
            }
            if result.text.bytes.isEmpty, result.pieces.count == found.count {
                result.text = normalized
                result.text.limit = limit
            } else {
                result.text.append(normalized)
            }
        }
        return result
    }

    /// The parts of `text`: added tokens of `trie`, the longest at the leftmost place first, and what is between them.
    private func find(in text: UnsafeBufferPointer<UInt8>, _ trie: ByteTrie, plain: [Range<Int>]) -> [Piece] {
        if text.isEmpty { return [] }
        if trie.isEmpty { return [Piece(start: 0, end: text.count)] }
        var parts: [Piece] = []
        var done = 0
        var position = 0
        var nextPlain = 0
        // Tokens are looked for up to here: the next plain range, or the end.
        var searchEnd = plain.first?.lowerBound ?? text.count
        while position < text.count {
            if position >= searchEnd {
                position = max(position, plain[nextPlain].upperBound)
                nextPlain += 1
                searchEnd = nextPlain < plain.count ? plain[nextPlain].lowerBound : text.count
                continue
            }
            var node = trie.next(ByteTrie.root, text[position])
            if node < 0 {
                position += 1
                continue
            }
            var (id, end): (Int32, Int) = (trie.value(node), position + 1)
            var ahead = position + 1
            while ahead < searchEnd {
                node = trie.next(node, text[ahead])
                if node < 0 { break }
                ahead += 1
                if trie.value(node) >= 0 { (id, end) = (trie.value(node), ahead) }
            }
            guard id >= 0, let token = tokens[id] else {
                position += 1
                continue
            }
            var (start, stop) = (position, end)
            position = end
            if token.singleWord, isWord(text, before: start) || isWord(text, after: stop) { continue }
            if token.stripLeft {
                while start > done {
                    let (scalar, length) = text.scalar(before: start)
                    guard CharacterClasses.shared[scalar].contains(.whiteSpace) else { break }
                    start -= length
                }
                start = max(start, done)
            }
            if token.stripRight {
                while stop < text.count {
                    let (scalar, length) = text.scalar(at: stop)
                    guard CharacterClasses.shared[scalar].contains(.whiteSpace) else { break }
                    stop += length
                }
            }
            if done < start { parts.append(Piece(start: done, end: start)) }
            // A token of white space can be swallowed whole by the stripping of the one before.
            if start < stop { parts.append(Piece(start: start, end: stop, token: id)) }
            done = stop
        }
        if done < text.count { parts.append(Piece(start: done, end: text.count)) }
        return parts
    }

    private func isWord(_ text: UnsafeBufferPointer<UInt8>, before position: Int) -> Bool {
        position > 0 && CharacterClasses.shared[text.scalar(before: position).scalar].contains(.word)
    }

    private func isWord(_ text: UnsafeBufferPointer<UInt8>, after position: Int) -> Bool {
        position < text.count && CharacterClasses.shared[text.scalar(at: position).scalar].contains(.word)
    }
}
