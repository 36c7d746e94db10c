import NestlingBasics
import Glibc
import NestlingTensors
import NestlingTokenizers

/// What many texts became, back to back in arrays that do not move: for callers who hand them on without copying.
///
/// Encoding `e` is the elements `offsets[e] ..< offsets[e + 1]` of every array that has one element for each token.
/// Immutable; the arrays live as long as this object.
public final class Encodings: @unchecked Sendable {
    /// Text `t` became encodings `parts[t] ..< parts[t + 1]`: first what was kept, then what was cut off, if it was asked for.
    public let parts: UnsafeBufferPointer<Int>
    /// Where each encoding begins, and where the last one ends.
    public let offsets: UnsafeBufferPointer<Int>
    /// Token ids.
    public let ids: UnsafeBufferPointer<Int32>
    /// Token type ids.
    public let typeIDs: UnsafeBufferPointer<Int32>
    /// 1 for special tokens that were added, else 0.
    public let specialTokensMask: UnsafeBufferPointer<UInt8>
    /// Where the part of the text begins that a token stands for; `nil` without details.
    public let starts: UnsafeBufferPointer<UInt64>?
    /// Where it ends; `nil` without details.
    public let ends: UnsafeBufferPointer<UInt64>?
    /// See ``Encoding/wordIDs``; `nil` without details.
    public let wordIDs: UnsafeBufferPointer<Int32>?
    /// See ``Encoding/sequenceIDs``; `nil` without details.
    public let sequenceIDs: UnsafeBufferPointer<Int32>?

    /// Number of texts, or pairs of texts, that were given.
    public var textCount: Int { parts.count - 1 }
    /// Number of encodings: one for each text, and the parts that were cut off if they were asked for.
    public var count: Int { offsets.count - 1 }
    /// Number of tokens of all encodings together.
    public var tokenCount: Int { ids.count }

    private let memory: Memory

    /// Joins what threads made of the runs of all texts.
    init(_ parts: [EncodedRuns], runs: Int, hasDetails: Bool, threads: Int?) throws(Failure) {
        let layout = Layout(parts, runs: runs)
        let memory = Memory()
        let (texts, encodings, tokens) = (layout.texts, layout.encodings, layout.tokens)
        let partStarts = try memory.take(texts + 1, of: Int.self)
        let offsets = try memory.take(encodings + 1, of: Int.self)
        let ids = try memory.take(tokens, of: Int32.self)
        let types = try memory.take(tokens, of: Int32.self)
        let mask = try memory.take(tokens, of: UInt8.self)
        let starts = hasDetails ? try memory.take(tokens, of: UInt64.self) : nil
        let ends = hasDetails ? try memory.take(tokens, of: UInt64.self) : nil
        let words = hasDetails ? try memory.take(tokens, of: Int32.self) : nil
        let sequences = hasDetails ? try memory.take(tokens, of: Int32.self) : nil
        self.memory = memory

        partStarts[texts] = encodings
        offsets[encodings] = tokens
        // Fresh memory costs more than the copying: threads share both.
        let shares = min(layout.places.count, 1 + tokens / Self.tokensPerShare)
        let copy = { (place: Layout.Place) in
            let source = parts[place.worker]
            let from = place.source
            var encoding = place.encoding
            for (index, count) in source.partCounts[from.texts].enumerated() {
                partStarts[place.text + index] = encoding
                encoding += count
            }
            var token = place.token
            for (index, count) in source.lengths[from.encodings].enumerated() {
                offsets[place.encoding + index] = token
                token += count
            }
            Self.copy(source.ids, from.tokens, to: ids, place.token)
            Self.copy(source.typeIDs, from.tokens, to: types, place.token)
            Self.copy(source.specialTokensMask, from.tokens, to: mask, place.token)
            guard let starts, let ends, let words, let sequences else { return }
            Self.copy(source.starts, from.tokens, to: starts, place.token)
            Self.copy(source.ends, from.tokens, to: ends, place.token)
            Self.copy(source.wordIDs, from.tokens, to: words, place.token)
            Self.copy(source.sequenceIDs, from.tokens, to: sequences, place.token)
        }
        if shares > 0 {
            let places = layout.places
            parallel(shares, threads: threads) { share in
                for place in places[share * places.count / shares..<(share + 1) * places.count / shares] { copy(place) }
            }
        }

        self.parts = UnsafeBufferPointer(partStarts)
        self.offsets = UnsafeBufferPointer(offsets)
        self.ids = UnsafeBufferPointer(ids)
        typeIDs = UnsafeBufferPointer(types)
        specialTokensMask = UnsafeBufferPointer(mask)
        self.starts = starts.map { UnsafeBufferPointer($0) }
        self.ends = ends.map { UnsafeBufferPointer($0) }
        wordIDs = words.map { UnsafeBufferPointer($0) }
        sequenceIDs = sequences.map { UnsafeBufferPointer($0) }
    }

    private static let tokensPerShare = 1 << 14

    private static func copy<Element>(
        _ source: [Element], _ range: Range<Int>, to target: UnsafeMutableBufferPointer<Element>, _ place: Int
    ) {
        source.withUnsafeBufferPointer { source in
            guard let from = source.baseAddress, let to = target.baseAddress, !range.isEmpty else { return }
            (to + place).update(from: from + range.lowerBound, count: range.count)
        }
    }

    /// The memory of the arrays.
    private final class Memory {
        private var blocks: [UnsafeMutableRawPointer] = []

        func take<Element>(
            _ count: Int, of type: Element.Type
        ) throws(Failure) -> UnsafeMutableBufferPointer<Element> {
            let bytes = try max(count, 1).multiplied(by: MemoryLayout<Element>.stride, "encodings")
            guard let block = malloc(bytes) else {
                throw Failure(.outOfMemory, "could not allocate \(bytes) bytes for the encodings")
            }
            blocks.append(block)
            return UnsafeMutableBufferPointer(
                start: block.bindMemory(to: type, capacity: max(count, 1)), count: count)
        }

        deinit { for block in blocks { free(block) } }
    }

    /// Where everything goes.
    private struct Layout {
        struct Place {
            var worker: Int
            var source: EncodedRuns.Run
            var text = 0
            var encoding = 0
            var token = 0
        }

        var places: [Place]
        var texts = 0
        var encodings = 0
        var tokens = 0

        init(_ parts: [EncodedRuns], runs: Int) {
            var found = [Place?](repeating: nil, count: runs)
            for (worker, part) in parts.enumerated() {
                for run in part.runs { found[run.number] = Place(worker: worker, source: run) }
            }
            places = found.compactMap { $0 }
            for index in places.indices {
                (places[index].text, places[index].encoding, places[index].token) = (texts, encodings, tokens)
                let source = places[index].source
                texts += source.texts.count
                encodings += source.encodings.count
                tokens += source.tokens.count
            }
        }
    }
}

/// What one thread made of the runs that it claimed, in the order of claiming.
struct EncodedRuns {
    /// A run, and where it is in the arrays.
    struct Run {
        var number: Int
        var texts: Range<Int>
        var encodings: Range<Int>
        var tokens: Range<Int>
    }

    private(set) var runs: [Run] = []
    /// How many encodings each text became.
    private(set) var partCounts: [Int] = []
    /// How many tokens each encoding has.
    private(set) var lengths: [Int] = []
    private(set) var ids: [Int32] = []
    private(set) var typeIDs: [Int32] = []
    private(set) var specialTokensMask: [UInt8] = []
    private(set) var starts: [UInt64] = []
    private(set) var ends: [UInt64] = []
    private(set) var wordIDs: [Int32] = []
    private(set) var sequenceIDs: [Int32] = []
    private let hasDetails: Bool

    init(hasDetails: Bool) { self.hasDetails = hasDetails }

    /// Begins a run; what is appended until the next one belongs to it.
    mutating func begin(run: Int) {
        runs.append(
            Run(
                number: run, texts: partCounts.count..<partCounts.count, encodings: lengths.count..<lengths.count,
                tokens: ids.count..<ids.count))
    }

    /// Appends what a text became.
    mutating func append(_ encoding: Encoding) {
        appendTokens(of: encoding)
        for part in encoding.overflowing { appendTokens(of: part) }
        partCounts.append(1 + encoding.overflowing.count)
        let last = runs.count - 1
        guard last >= 0 else { return }
        runs[last].texts = runs[last].texts.lowerBound..<partCounts.count
        runs[last].encodings = runs[last].encodings.lowerBound..<lengths.count
        runs[last].tokens = runs[last].tokens.lowerBound..<ids.count
    }

    private mutating func appendTokens(of encoding: Encoding) {
        lengths.append(encoding.count)
        ids += encoding.ids
        typeIDs += encoding.typeIDs
        specialTokensMask += encoding.specialTokensMask
        guard hasDetails else { return }
        for range in encoding.offsets {
            starts.append(UInt64(truncatingIfNeeded: range.lowerBound))
            ends.append(UInt64(truncatingIfNeeded: range.upperBound))
        }
        wordIDs += encoding.wordIDs
        for sequence in encoding.sequenceIDs { sequenceIDs.append(Int32(sequence)) }
    }
}
