import NestlingBasics

/// Byte pair encoding: a word begins as characters, and pairs of neighbours are merged in the order that training found.
/// Source: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016.
struct BPE: Model {
    private let vocabulary: Vocabulary
    private let merges: MergeTable
    private let unknownToken: String?
    private let unknown: Int32?
    private let prefix: [UInt8]
    private let suffix: [UInt8]
    private let fuseUnknown: Bool
    private let ignoreMerges: Bool
    private let hasEmptyTokens: Bool
    /// Characters with their markers, if there are markers.
    private let marked: MarkedCharacters?
    /// The ids of `<0x00>` ... `<0xFF>`, or -1; empty without byte fallback.
    private let fallback: [Int32]
    /// The same of the bytes of the markers; nil if one is missing.
    private let prefixFallback: [Int32]?
    private let suffixFallback: [Int32]?
    /// Whether a text of bytes is read as if each were its character of the byte-level alphabet.
    private let readsBytes: Bool
    /// The ids of single bytes: of ASCII characters, or of all bytes if ``readsBytes``; -1 where there is none.
    private let single: [Int32]
    /// Words that become exactly one token.
    private var whole = Vocabulary()

    var name: String { "BPE" }
    var count: Int { vocabulary.count }
    func id(of token: UnsafeBufferPointer<UInt8>) -> Int32? { vocabulary.id(of: token) }
    func token(of id: Int32) -> ArraySlice<UInt8>? { vocabulary.token(of: id) }

    /// Reads `model` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        vocabulary = try json.vocabulary()
        prefix = Array(try json.string("continuing_subword_prefix", default: "").utf8)
        suffix = Array(try json.string("end_of_word_suffix", default: "").utf8)
        marked =
            prefix.isEmpty && suffix.isEmpty ? nil : MarkedCharacters(vocabulary, prefix: prefix, suffix: suffix)
        unknownToken = json.has("unk_token") ? try json.string("unk_token") : nil
        unknown = unknownToken.flatMap { [vocabulary] in vocabulary.id(of: $0) }
        fuseUnknown = try json.bool("fuse_unk", default: false)
        ignoreMerges = try json.bool("ignore_merges", default: false)
        // Dropout is for training: here tokenization is never random, as if it were off.
        if let dropout = json.value("dropout") {
            guard let share = dropout.double, (0...1).contains(share) else { throw json.expected("0 to 1", "dropout") }
        }
        fallback = try json.bool("byte_fallback", default: false) ? Self.fallback(vocabulary) : []
        prefixFallback = Self.spelled(prefix, fallback)
        suffixFallback = Self.spelled(suffix, fallback)
        merges = try Self.merges(json, vocabulary, prefixCount: prefix.count)
        hasEmptyTokens = vocabulary.id(of: "") != nil || !prefix.isEmpty
        readsBytes = false
        single = (0..<128).map { [vocabulary] byte in
            withUnsafeBytes(of: UInt8(byte)) { vocabulary.id(of: $0.bindMemory(to: UInt8.self)) ?? -1 }
        }
        findWholeWords()
    }

    /// A model whose `vocabulary` tells its own merges: each token is made of any two others that spell it, the tokens
    /// with low ids first, of several ways the one with the shortest left part. Unknown neighbours are one token;
    /// characters that are neither known nor bytes become `unknownToken`, or nothing if that is nil.
    init(merging vocabulary: Vocabulary, unknownToken: String?) {
        self.vocabulary = vocabulary
        self.unknownToken = unknownToken
        unknown = unknownToken.flatMap { vocabulary.id(of: $0) }
        prefix = []
        suffix = []
        marked = nil
        fuseUnknown = true
        ignoreMerges = false
        fallback = Self.fallback(vocabulary)
        prefixFallback = Self.spelled([], fallback)
        suffixFallback = Self.spelled([], fallback)
        merges = Self.merges(spelling: vocabulary)
        hasEmptyTokens = vocabulary.id(of: "") != nil
        readsBytes = false
        single = (0..<128).map { byte in
            withUnsafeBytes(of: UInt8(byte)) { vocabulary.id(of: $0.bindMemory(to: UInt8.self)) ?? -1 }
        }
        findWholeWords()
    }

    private static func merges(spelling vocabulary: Vocabulary) -> MergeTable {
        var found: [(left: Int32, right: Int32, id: Int32)] = []
        for (token, id) in vocabulary.entries.sorted(by: { $0.id < $1.id }) {
            token.withUnsafeBufferPointer { bytes in
                for cut in bytes.indices.dropFirst() where bytes[cut] & 0xC0 != 0x80 {
                    if let left = vocabulary.id(of: UnsafeBufferPointer(rebasing: bytes[..<cut])),
                        let right = vocabulary.id(of: UnsafeBufferPointer(rebasing: bytes[cut...]))
                    {
                        found.append((left, right, id))
                    }
                }
            }
        }
        var table = MergeTable(count: found.count)
        for (rank, merge) in found.enumerated() {
            table.add(merge.left, merge.right, MergeTable.Merge(rank: UInt32(truncatingIfNeeded: rank), id: merge.id))
        }
        return table
    }

    func readingBytes() -> (any Model)? {
        // Only a vocabulary that is made for bytes does the same on them.
        guard prefix.isEmpty, suffix.isEmpty, fallback.isEmpty else { return nil }
        var single: [Int32] = []
        for character in ByteLevelAlphabet.characters {
            var bytes: [UInt8] = []
            UTF8Text.append(character, to: &bytes)
            guard let id = bytes.withUnsafeBufferPointer({ vocabulary.id(of: $0) }) else { return nil }
            single.append(id)
        }
        return BPE(self, single: single)
    }

    private init(_ model: BPE, single: [Int32]) {
        vocabulary = model.vocabulary
        merges = model.merges
        unknownToken = model.unknownToken
        unknown = model.unknown
        prefix = []
        suffix = []
        marked = nil
        fuseUnknown = model.fuseUnknown
        ignoreMerges = model.ignoreMerges
        hasEmptyTokens = model.hasEmptyTokens
        fallback = []
        prefixFallback = []
        suffixFallback = []
        readsBytes = true
        self.single = single
        findWholeWords()
    }

    private static func fallback(_ vocabulary: Vocabulary) -> [Int32] {
        let digits = Array("0123456789ABCDEF")
        return (0..<256).map { vocabulary.id(of: "<0x\(digits[$0 >> 4])\(digits[$0 & 15])>") ?? -1 }
    }

    private static func spelled(_ marker: [UInt8], _ fallback: [Int32]) -> [Int32]? {
        let ids = fallback.isEmpty ? [] : marker.map { fallback[Int($0)] }
        return ids.contains { $0 < 0 } ? nil : ids
    }

    private static func merges(
        _ json: Settings, _ vocabulary: Vocabulary, prefixCount: Int
    ) throws(Failure) -> MergeTable {
        let list = try json.array("merges")
        var table = MergeTable(count: list.count)
        var rank: UInt32 = 0
        for (index, entry) in list.enumerated() {
            let place = { "\(json.path("merges"))[\(index)]" }
            var parts: [[UInt8]] = []
            if let text = entry.string {
                if text.hasPrefix("#version") { continue }
                parts = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false).map(Array.init)
            } else if let pair = entry.array {
                parts = pair.compactMap { $0.string.map { Array($0.utf8) } }
            }
            guard parts.count == 2 else { throw Failure(.corrupt, "\(place()): expected a pair of tokens") }
            guard parts[1].count >= prefixCount else {
                throw Failure(.corrupt, "\(place()): the second token is shorter than the continuing prefix")
            }
            let merged = parts[0] + parts[1].dropFirst(prefixCount)
            var ids: [Int32] = []
            for token in [parts[0], parts[1], merged] {
                guard let id = token.withUnsafeBufferPointer({ vocabulary.id(of: $0) }) else {
                    let name = String(decoding: token, as: UTF8.self)
                    throw Failure(.corrupt, "\(place()): the token \(name.quoted) is not in the vocabulary")
                }
                ids.append(id)
            }
            table.add(ids[0], ids[1], MergeTable.Merge(rank: rank, id: ids[2]))
            rank += 1
        }
        return table
    }

    /// Fills ``whole``: most words of a text are in it, and then one look-up replaces all merging.
    private mutating func findWholeWords() {
        guard prefix.isEmpty, suffix.isEmpty else { return }
        var found = Vocabulary()
        var work = MergeWorkspace(limit: .max)
        for (token, id) in vocabulary.entries where !token.isEmpty {
            token.withUnsafeBufferPointer { buffer in
                guard readsBytes else { return add(buffer, id) }
                guard let bytes = ByteLevelAlphabet.bytes(of: buffer) else { return }
                bytes.withUnsafeBufferPointer { add($0, id) }
            }
            func add(_ bytes: UnsafeBufferPointer<UInt8>, _ id: Int32) {
                if !ignoreMerges {
                    guard spell(bytes, 0, bytes.count, &work) else { return }
                    guard work.ids.count == 1, work.ids[0] == id, Int(work.lengths[0]) == bytes.count else { return }
                }
                found.add(bytes, id: id)
            }
        }
        whole = found
    }

    func tokenize(_ text: UnsafeBufferPointer<UInt8>, _ pieces: [Piece], into tokens: inout TokenList) throws(Failure) {
        // Byte fallback spells the markers of unknown characters too, however long they are.
        let limit = Limits.tokens(ofBytes: text.count)
        var work = MergeWorkspace(limit: limit)
        var cache = WordCache(pieces: pieces.count)
        let looksWhole = prefix.isEmpty && suffix.isEmpty || ignoreMerges
        for (word, piece) in pieces.enumerated() {
            if !piece.isText {
                tokens.append(piece.token, piece.start, piece.end, word: word)
                continue
            }
            let bytes = UnsafeBufferPointer(rebasing: text[piece.start..<piece.end])
            if looksWhole, let id = (ignoreMerges && !readsBytes ? vocabulary : whole).id(of: bytes) {
                tokens.append(id, piece.start, piece.end, word: word)
                continue
            }
            let isSpelled = cache.tokens(of: text, piece.start, piece.end, word: word, &tokens) { tokens in
                guard spell(text, piece.start, piece.end, &work) else { return false }
                var position = piece.start
                for index in work.ids.indices {
                    let end = position + Int(work.lengths[index])
                    tokens.append(work.ids[index], position, end, word: word)
                    position = end
                }
                return true
            }
            if !isSpelled {
                throw Failure(
                    .corrupt,
                    "the vocabulary has no unknown token \((unknownToken ?? "").quoted), which this text needs")
            }
            guard tokens.ids.count <= limit, !work.isTooLong else {
                throw Failure(
                    .outOfMemory,
                    "the model makes more than \(limit) tokens of \(text.count) bytes, which is the most it may")
            }
        }
    }

    /// Leaves the tokens of a word in `work`; false if it needs an unknown token that the vocabulary lacks.
    private func spell(
        _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, _ work: inout MergeWorkspace
    ) -> Bool {
        work.removeAll()
        if readsBytes {
            for position in start..<end { work.append(single[Int(text[position])], length: 1) }
        } else {
            guard addCharacters(text, start, end, &work) else { return false }
        }
        work.mergeAll(merges, alwaysHeap: hasEmptyTokens)
        return true
    }

    private func addCharacters(
        _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, _ work: inout MergeWorkspace
    ) -> Bool {
        var unknownLength = 0
        var position = start
        while position < end, !work.isTooLong {
            let lead = text[position]
            let length = min(UTF8Text.length(lead: lead), end - position)
            let character = UnsafeBufferPointer(rebasing: text[position..<position + length])
            let isFirst = position == start
            position += length
            let id: Int32
            let isLast = position == end
            if let marked, !isFirst || isLast && !suffix.isEmpty {
                id = marked.id(of: character, isFirst: isFirst, isLast: isLast) ?? -1
            } else {
                id = lead < 0x80 ? single[Int(lead)] : vocabulary.id(of: character) ?? -1
            }
            if id >= 0 {
                if unknownLength > 0, let unknown { work.append(unknown, length: unknownLength) }
                unknownLength = 0
                work.append(id, length: length)
                continue
            }
            if !fallback.isEmpty {
                let (before, after) = (isFirst ? [] : prefixFallback, isLast ? suffixFallback : [])
                if let before, let after, character.allSatisfy({ fallback[Int($0)] >= 0 }) {
                    // An unknown run that waits stays behind: that is what the reference does.
                    for id in before where !work.isTooLong { work.append(id, length: 1) }
                    for byte in character { work.append(fallback[Int(byte)], length: 1) }
                    for id in after where !work.isTooLong { work.append(id, length: 1) }
                    continue
                }
            }
            // Without an unknown token the character is lost, as in the reference.
            if unknownToken == nil { continue }
            guard let unknown else { return false }
            if fuseUnknown {
                unknownLength += length
            } else {
                if unknownLength > 0 { work.append(unknown, length: unknownLength) }
                unknownLength = length
            }
        }
        if unknownLength > 0, let unknown { work.append(unknown, length: unknownLength) }
        return true
    }
}
