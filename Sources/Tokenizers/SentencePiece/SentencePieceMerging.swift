/// Byte pair encoding as SentencePiece does it: of all neighbours that together are a piece, those whose piece has the
/// highest score become one, of equal ones the leftmost. What ends as an unused piece falls apart again.
/// Source: `bpe_model.cc` of google/sentencepiece.
struct SentencePieceMerging {
    /// A part of the text; one that was swallowed has no length.
    private struct Symbol {
        var start: Int32
        var length: Int32
        var previous: Int32
        var next: Int32
        /// User-defined symbols are never part of a merge.
        var isFrozen: Bool
    }

    /// Two neighbours that may become one.
    private struct Candidate {
        var score: Float
        var left: Int32
        var right: Int32
        var length: Int32

        @inline(__always)
        static func < (one: Candidate, other: Candidate) -> Bool {
            one.score != other.score ? one.score > other.score : one.left < other.left
        }
    }

    private var symbols: [Symbol] = []
    private var heap: [Candidate] = []
    /// For each unused piece that came up, how long the left one of the two was that it was made of.
    private var halves: [Int32: Int32] = [:]

    /// The pieces of `text`.
    mutating func segments(
        _ text: UnsafeBufferPointer<UInt8>, _ pieces: SentencePieces
    ) -> [SentencePieceModel.Segment] {
        symbols.removeAll(keepingCapacity: true)
        heap.removeAll(keepingCapacity: true)
        halves.removeAll(keepingCapacity: true)
        var position = 0
        while position < text.count {
            let frozen = pieces.userDefined.longestMatch(text, position)
            let end = frozen ?? min(position + UTF8Text.length(lead: text[position]), text.count)
            let index = Int32(truncatingIfNeeded: symbols.count)
            symbols.append(
                Symbol(
                    start: Int32(truncatingIfNeeded: position), length: Int32(truncatingIfNeeded: end - position),
                    previous: index - 1, next: end < text.count ? index + 1 : -1, isFrozen: frozen != nil))
            position = end
        }
        for index in symbols.indices.dropFirst() { consider(index - 1, index, text, pieces) }
        while let top = pop() { merge(top, text, pieces) }
        var result: [SentencePieceModel.Segment] = []
        for symbol in symbols where symbol.length > 0 {
            spell(Int(symbol.start), Int(symbol.start + symbol.length), text, pieces, &result)
        }
        return result
    }

    private mutating func consider(
        _ left: Int, _ right: Int, _ text: UnsafeBufferPointer<UInt8>, _ pieces: SentencePieces
    ) {
        guard left >= 0, right >= 0, !symbols[left].isFrozen, !symbols[right].isFrozen else { return }
        let start = Int(symbols[left].start)
        let length = symbols[left].length + symbols[right].length
        let piece = UnsafeBufferPointer(rebasing: text[start..<start + Int(length)])
        guard let id = pieces.vocabulary.id(of: piece), pieces.isText(id) else { return }
        push(
            Candidate(
                score: pieces.scores[Int(id)], left: Int32(truncatingIfNeeded: left),
                right: Int32(truncatingIfNeeded: right), length: length))
        if pieces.kinds[Int(id)] == .unused { halves[id] = symbols[left].length }
    }

    private mutating func merge(_ top: Candidate, _ text: UnsafeBufferPointer<UInt8>, _ pieces: SentencePieces) {
        let (left, right) = (Int(top.left), Int(top.right))
        // One of the two may be gone, or have grown.
        guard symbols[left].length > 0, symbols[right].length > 0,
            symbols[left].length + symbols[right].length == top.length
        else { return }
        symbols[left].length = top.length
        symbols[left].next = symbols[right].next
        if symbols[right].next >= 0 { symbols[Int(symbols[right].next)].previous = top.left }
        symbols[right].length = 0
        consider(Int(symbols[left].previous), left, text, pieces)
        consider(left, Int(symbols[left].next), text, pieces)
    }

    /// Appends the part `start ..< end`; an unused piece as the two that it was made of, and so on.
    private func spell(
        _ start: Int, _ end: Int, _ text: UnsafeBufferPointer<UInt8>, _ pieces: SentencePieces,
        _ result: inout [SentencePieceModel.Segment]
    ) {
        var waiting = [(start, end)]
        while let (start, end) = waiting.popLast() {
            let part = UnsafeBufferPointer(rebasing: text[start..<end])
            if let id = pieces.vocabulary.id(of: part), let half = halves[id], half > 0, Int(half) < end - start {
                waiting.append((start + Int(half), end))
                waiting.append((start, start + Int(half)))
            } else {
                result.append(SentencePieceModel.Segment(start: start, end: end, id: pieces.id(part)))
            }
        }
    }

    private mutating func push(_ candidate: Candidate) {
        heap.append(candidate)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if !(heap[child] < heap[parent]) { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func pop() -> Candidate? {
        guard let top = heap.first, let last = heap.popLast() else { return nil }
        if heap.isEmpty { return top }
        heap[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= heap.count { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            if !(heap[child] < heap[parent]) { break }
            heap.swapAt(child, parent)
            parent = child
        }
        return top
    }
}
