/// The most probable way to cut a text into pieces, with the arithmetic of SentencePiece: sums in 32 bits, of which equal
/// ones keep the way that was found first.
/// Source: Kudo, "Subword Regularization", 2018; `EncodeOptimized` in `unigram_model.cc` of google/sentencepiece; the
/// score of user-defined symbols as version 0.2.3 of the package has it.
struct SentencePieceUnigram: Sendable {
    private var trie = ByteTrie()
    private var scores: [Float] = []
    private var isUserDefined: [Bool] = []
    private var unknown: Int32 = 0
    private var unknownScore: Float = 0

    /// The pieces with their scores, or nothing, for the other algorithms.
    init(_ pieces: SentencePieces?) {
        guard let pieces else { return }
        var minimum = Float.greatestFiniteMagnitude
        for (token, id) in pieces.vocabulary.entries {
            switch pieces.kinds[Int(id)] {
            case .normal:
                minimum = min(minimum, pieces.scores[Int(id)])
                trie.insert(token, value: id)
            case .userDefined: trie.insert(token, value: id)
            // An unused piece is as if it were not there.
            case .unused, .unknown, .control, .byte: continue
            }
        }
        scores = pieces.scores
        isUserDefined = pieces.kinds.map { $0 == .userDefined }
        unknown = pieces.unknown
        unknownScore = minimum - 10
    }

    /// How the best way to a place of the text ends.
    private struct Step {
        var score: Float = 0
        var start: Int32 = -1
        var id: Int32 = -1
    }

    /// The best way through `text`.
    func segments(_ text: UnsafeBufferPointer<UInt8>) -> [SentencePieceModel.Segment] {
        var steps = [Step](repeating: Step(), count: text.count + 1)
        steps.withUnsafeMutableBufferPointer { search(text, $0) }
        var segments: [SentencePieceModel.Segment] = []
        var end = text.count
        while end > 0 {
            // Every character ends a step, so that the start is always known.
            let start = min(max(0, Int(steps[end].start)), end - 1)
            segments.append(SentencePieceModel.Segment(start: start, end: end, id: steps[end].id))
            end = start
        }
        segments.reverse()
        return segments
    }

    private func search(_ text: UnsafeBufferPointer<UInt8>, _ steps: UnsafeMutableBufferPointer<Step>) {
        var start = 0
        while start < text.count {
            let score = steps[start].score
            let characterEnd = start + min(UTF8Text.length(lead: text[start]), text.count - start)
            let from = Int32(truncatingIfNeeded: start)
            var hasCharacter = false
            var node = ByteTrie.root
            var end = start
            while end < text.count {
                node = trie.next(node, text[end])
                if node < 0 { break }
                end += 1
                let id = trie.value(node)
                if id < 0 { continue }
                if end == characterEnd { hasCharacter = true }
                // A user-defined symbol has a score that beats those of trained pieces, which are negative.
                let own = isUserDefined[Int(id)] ? Float(Double(end - start) * 0.1 - 0.1) : scores[Int(id)]
                let candidate = own + score
                if steps[end].start < 0 || candidate > steps[end].score {
                    steps[end] = Step(score: candidate, start: from, id: id)
                }
            }
            if !hasCharacter {
                let candidate = unknownScore + score
                if steps[characterEnd].start < 0 || candidate > steps[characterEnd].score {
                    steps[characterEnd] = Step(score: candidate, start: from, id: unknown)
                }
            }
            start = characterEnd
        }
    }
}
