import NestlingBasics

/// The most probable way to cut a text into entries of the vocabulary, by Viterbi's algorithm.
/// Source: Kudo, "Subword Regularization", 2018; `EncodeOptimized` of google/sentencepiece.
struct Unigram: Model {
    private var tokens: [[UInt8]] = []
    private var scores: [Double] = []
    private let trie: ByteTrie
    private let unknown: Int32?
    private let unknownScore: Double
    /// The ids of `<0x00>` ... `<0xFF>`, or -1; empty without byte fallback.
    private let fallback: [Int32]
    private let ids: Vocabulary

    var name: String { "Unigram" }
    var count: Int { tokens.count }
    var unknownThatKeepsText: Int32? { unknown }
    func id(of token: UnsafeBufferPointer<UInt8>) -> Int32? { ids.id(of: token) }
    func token(of id: Int32) -> ArraySlice<UInt8>? {
        id >= 0 && Int(id) < tokens.count ? tokens[Int(id)][...] : nil
    }

    /// Reads `model` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        var entries: [(token: [UInt8], score: Double)] = []
        for (index, entry) in try json.array("vocab").enumerated() {
            guard let pair = entry.array, pair.count == 2, let token = pair[0].string, let written = pair[1].double,
                Int32(exactly: index) != nil
            else { throw Failure(.corrupt, "\(json.path("vocab"))[\(index)]: expected a token and its score") }
            entries.append((Array(token.utf8), ReferenceNumber.value(written)))
        }
        var unknown: Int32?
        if json.has("unk_id") {
            let id = try json.count("unk_id")
            guard id < entries.count else { throw json.expected("an index into the vocabulary", "unk_id") }
            unknown = Int32(truncatingIfNeeded: id)
        }
        self.init(entries, unknown: unknown, hasByteFallback: try json.bool("byte_fallback", default: false))
    }

    /// A model of `entries`, of which there must be fewer than 2^31; `unknown` must be one of them.
    init(_ entries: [(token: [UInt8], score: Double)], unknown: Int32?, hasByteFallback: Bool) {
        var minimum = Double.infinity
        var (ids, trie) = (Vocabulary(), ByteTrie())
        for (index, entry) in entries.enumerated() {
            let id = Int32(truncatingIfNeeded: index)
            entry.token.withUnsafeBufferPointer { ids.add($0, id: id) }
            if !entry.token.isEmpty { trie.insert(entry.token, value: id) }
            tokens.append(entry.token)
            scores.append(entry.score)
            minimum = min(minimum, entry.score)
        }
        self.unknown = unknown
        unknownScore = minimum - 10
        if hasByteFallback {
            let digits = Array("0123456789ABCDEF")
            fallback = (0..<256).map { ids.id(of: "<0x\(digits[$0 >> 4])\(digits[$0 & 15])>") ?? -1 }
        } else {
            fallback = []
        }
        self.ids = ids
        self.trie = trie
    }

    /// How the best way to a place of the word ends.
    private struct Step {
        var score = 0.0
        var length: Int32 = 0
        var id: Int32 = -1
    }

    func tokenize(_ text: UnsafeBufferPointer<UInt8>, _ pieces: [Piece], into tokens: inout TokenList) throws(Failure) {
        var steps: [Step] = []
        var path: [(start: Int, end: Int, id: Int32)] = []
        var cache = WordCache(pieces: pieces.count)
        for (word, piece) in pieces.enumerated() {
            if !piece.isText {
                tokens.append(piece.token, piece.start, piece.end, word: word)
                continue
            }
            let isSpelled = cache.tokens(of: text, piece.start, piece.end, word: word, &tokens) { tokens in
                let bytes = UnsafeBufferPointer(rebasing: text[piece.start..<piece.end])
                guard search(bytes, &steps) else { return false }
                trace(bytes, steps, &path)
                for token in path.reversed() {
                    append(bytes, token.start, token.end, token.id, piece.start, word, &tokens)
                }
                return true
            }
            if !isSpelled { throw Failure(.corrupt, "the vocabulary has no unk_id, which this text needs") }
        }
    }

    /// Fills `steps`, one for each byte that a token can end before; false if an unknown token is needed and missing.
    private func search(_ word: UnsafeBufferPointer<UInt8>, _ steps: inout [Step]) -> Bool {
        steps.removeAll(keepingCapacity: true)
        steps.append(contentsOf: repeatElement(Step(), count: word.count + 1))
        return steps.withUnsafeMutableBufferPointer { steps in
            var start = 0
            while start < word.count {
                let score = steps[start].score
                let characterEnd = start + min(UTF8Text.length(lead: word[start]), word.count - start)
                var hasCharacter = false
                var node = ByteTrie.root
                var end = start
                while end < word.count {
                    node = trie.next(node, word[end])
                    if node < 0 { break }
                    end += 1
                    let id = trie.value(node)
                    if id < 0 { continue }
                    let candidate = scores[Int(id)] + score
                    if steps[end].length == 0 || candidate > steps[end].score {
                        steps[end] = Step(score: candidate, length: Int32(truncatingIfNeeded: end - start), id: id)
                    }
                    if end == characterEnd { hasCharacter = true }
                }
                if !hasCharacter {
                    let candidate = unknownScore + score
                    if steps[characterEnd].length == 0 || candidate > steps[characterEnd].score {
                        guard let unknown else { return false }
                        steps[characterEnd] = Step(
                            score: candidate, length: Int32(truncatingIfNeeded: characterEnd - start), id: unknown)
                    }
                }
                start = characterEnd
            }
            return true
        }
    }

    /// Leaves the best path in `path`, last token first; neighbouring unknown tokens are one.
    private func trace(
        _ word: UnsafeBufferPointer<UInt8>, _ steps: [Step], _ path: inout [(start: Int, end: Int, id: Int32)]
    ) {
        path.removeAll(keepingCapacity: true)
        var end = word.count
        var isAfterUnknown = false
        while end > 0 {
            let step = steps[end]
            let start = end - max(1, Int(step.length))
            let isUnknown = step.id == unknown
            if isUnknown, isAfterUnknown, let last = path.indices.last {
                path[last].start = start
            } else {
                path.append((start, end, step.id))
            }
            isAfterUnknown = isUnknown
            end = start
        }
    }

    private func append(
        _ word: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, _ id: Int32, _ shift: Int, _ number: Int,
        _ tokens: inout TokenList
    ) {
        guard id == unknown else { return tokens.append(id, shift + start, shift + end, word: number) }
        let bytes = UnsafeBufferPointer(rebasing: word[start..<end])
        if let known = ids.id(of: bytes) {
            tokens.append(known, shift + start, shift + end, word: number)
        } else if !fallback.isEmpty, bytes.allSatisfy({ fallback[Int($0)] >= 0 }) {
            for byte in bytes { tokens.append(fallback[Int(byte)], shift + start, shift + end, word: number) }
        } else {
            tokens.append(id, shift + start, shift + end, word: number)
        }
    }
}
