public import NestlingBasics
public import NestlingTokenizers

extension Tokenizer {
    /// The texts of many sequences of token ids, on threads.
    ///
    /// - Throws: As ``Tokenizer/decode(_:skipSpecialTokens:)``; the message names the first sequence, by number, that cannot
    ///   be decoded.
    public func decodeBatch(
        _ sequences: [[Int32]], skipSpecialTokens: Bool = true, threadCount: Int? = nil
    ) throws(Failure) -> [String] {
        let texts = try decodeRuns(
            count: sequences.count, threads: threadCount, length: { sequences[$0].count },
            decode: { (number) throws(Failure) in
                try decode(sequences[number], skipSpecialTokens: skipSpecialTokens)
            })
        return texts.strings
    }

    /// The texts of sequences of token ids that the caller holds back to back, on threads.
    ///
    /// - Parameters:
    ///   - ids: All ids.
    ///   - offsets: Sequence `s` is `ids[offsets[s] ..< offsets[s + 1]]`.
    public func decodeBatch(
        _ ids: UnsafeBufferPointer<Int32>, offsets: UnsafeBufferPointer<Int>, skipSpecialTokens: Bool,
        threadCount: Int? = nil
    ) throws(Failure) -> DecodedTexts {
        try Self.check(offsets, ids.count)
        return try decodeRuns(
            count: offsets.count - 1, threads: threadCount, length: { offsets[$0 + 1] - offsets[$0] },
            decode: { (number) throws(Failure) in
                try decode(Array(ids[offsets[number]..<offsets[number + 1]]), skipSpecialTokens: skipSpecialTokens)
            })
    }

    private static func check(_ offsets: UnsafeBufferPointer<Int>, _ count: Int) throws(Failure) {
        guard offsets.first == 0 else { throw Failure(.invalidArgument, "offsets must begin with 0") }
        var last = 0
        for (index, offset) in offsets.enumerated() {
            guard offset >= last else {
                throw Failure(.invalidArgument, "offsets[\(index)] is \(offset), less than \(last) before it")
            }
            last = offset
        }
        guard last <= count else { throw Failure(.invalidArgument, "offsets end at \(last), there are \(count) ids") }
    }

    private func decodeRuns(
        count: Int, threads: Int?, length: (Int) -> Int, decode: (Int) throws(Failure) -> String
    ) throws(Failure) -> DecodedTexts {
        // A token is about as much work as four bytes of text are in the other direction.
        let runs = TextRuns(count: count, bytes: Self.bytesPerRun) { length($0) &* 4 }
        let parts = try runs.perform(threads: threads, progress: nil, begin: { DecodedTexts.Part() }) {
            (part, run, range) throws(TextFailure) in
            part.begin(run: run)
            for number in range {
                do throws(Failure) {
                    part.append(try decode(number))
                } catch {
                    throw TextFailure(text: number, of: "sequence", error)
                }
            }
        }
        return DecodedTexts(parts, runs: runs.count, texts: count)
    }
}

/// The texts of many sequences of token ids.
public struct DecodedTexts: Sendable {
    /// Text `t` is the bytes `offsets[t] ..< offsets[t + 1]` of all texts back to back.
    public private(set) var offsets = [0]
    private let parts: [Part]
    private var places: [(part: Int, run: Part.Run)]

    /// Bytes of all texts together.
    public var byteCount: Int { offsets[offsets.count - 1] }

    /// Writes all texts back to back, UTF-8, to memory for ``byteCount`` bytes.
    public func write(to memory: UnsafeMutableRawPointer) {
        var position = 0
        for place in places {
            parts[place.part].bytes[place.run.bytes].withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { (memory + position).copyMemory(from: base, byteCount: bytes.count) }
                position += bytes.count
            }
        }
    }

    var strings: [String] {
        places.flatMap { place in
            var position = place.run.bytes.lowerBound
            return parts[place.part].lengths[place.run.texts].map { length in
                defer { position += length }
                return String(decoding: parts[place.part].bytes[position..<position + length], as: UTF8.self)
            }
        }
    }

    fileprivate init(_ parts: [Part], runs: Int, texts: Int) {
        self.parts = parts
        var found = [(part: Int, run: Part.Run)](repeating: (0, Part.Run()), count: runs)
        for (index, part) in parts.enumerated() {
            for run in part.runs { found[run.number] = (index, run) }
        }
        places = found
        offsets.reserveCapacity(texts + 1)
        var position = 0
        for place in places {
            for length in parts[place.part].lengths[place.run.texts] {
                position += length
                offsets.append(position)
            }
        }
    }

    /// What one thread decoded, run by run.
    fileprivate struct Part: Sendable {
        struct Run {
            var number = 0
            var texts = 0..<0
            var bytes = 0..<0
        }

        var runs: [Run] = []
        var lengths: [Int] = []
        var bytes: [UInt8] = []

        mutating func begin(run: Int) {
            runs.append(
                Run(number: run, texts: lengths.count..<lengths.count, bytes: bytes.count..<bytes.count))
        }

        mutating func append(_ text: String) {
            bytes += text.utf8
            lengths.append(text.utf8.count)
            let last = runs.count - 1
            guard last >= 0 else { return }
            runs[last].texts = runs[last].texts.lowerBound..<lengths.count
            runs[last].bytes = runs[last].bytes.lowerBound..<bytes.count
        }
    }
}
