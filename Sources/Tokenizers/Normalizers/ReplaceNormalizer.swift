import NestlingBasics

/// Replaces every match of a pattern by a text, which shares the place of the last character it replaces.
struct ReplaceNormalizer: Normalizer {
    let pattern: Pattern
    let content: [UInt8]

    /// Reads `normalizer` or `decoder` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        pattern = try Pattern(json, "pattern")
        content = Array(try json.string("content").utf8)
    }

    func normalize(_ text: inout AlignedText) throws(Failure) {
        let matches = try find(in: text.bytes)
        if matches.isEmpty { return }
        guard let length = length(text.bytes.count, replacing: matches), length <= text.limit else {
            text.isTooLong = true
            return
        }
        var rewriter = TextRewriter(text)
        content.withUnsafeBufferPointer { content in
            for match in matches {
                rewriter.keep(upTo: match.lowerBound)
                rewriter.drop(upTo: match.upperBound)
                var position = 0
                while position < content.count {
                    let (scalar, length) = content.scalar(at: position)
                    rewriter.insert(scalar)
                    position += length
                }
            }
        }
        rewriter.keep(upTo: text.bytes.count)
        text = rewriter.finish()
    }

    /// `bytes` with every match replaced, or nil if that has more than `limit` bytes.
    func replacing(_ bytes: [UInt8], limit: Int) throws(Failure) -> [UInt8]? {
        let matches = try find(in: bytes)
        guard let length = length(bytes.count, replacing: matches), length <= limit else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(length)
        var done = 0
        for match in matches {
            result.append(contentsOf: bytes[done..<match.lowerBound])
            result.append(contentsOf: content)
            done = match.upperBound
        }
        result.append(contentsOf: bytes[done...])
        return result
    }

    /// How long `count` bytes become, or nil if that does not fit into 64 bits.
    private func length(_ count: Int, replacing matches: [Range<Int>]) -> Int? {
        let (written, isTooLarge) = matches.count.multipliedReportingOverflow(by: content.count)
        let (sum, overflows) = written.addingReportingOverflow(count - matches.reduce(0) { $0 + $1.count })
        return isTooLarge || overflows ? nil : sum
    }

    private func find(in bytes: [UInt8]) throws(Failure) -> [Range<Int>] {
        if bytes.isEmpty { return [] }
        var matches: [Range<Int>] = []
        var failure: Failure?
        bytes.withUnsafeBufferPointer { bytes in
            var scratch = Regex.Scratch()
            do throws(Failure) {
                try pattern.forEachMatch(bytes, 0..<bytes.count, &scratch) { matches.append($0) }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return matches
    }
}
