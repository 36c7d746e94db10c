import NestlingBasics

extension Encoding {
    /// What the parts that were cut off cost; see ``Limits``.
    var overflowCost: Int { overflowing.reduce(0) { $0 + $1.count + Limits.partCost } }

    /// The encodings one behind the other. What was cut off of one is combined with the whole and with every part of each
    /// other, in the order of the reference.
    ///
    /// - Throws: `outOfMemory` if the result or the combinations would have more than `limit` tokens; nothing was
    ///   allocated then.
    static func joined(_ encodings: [Encoding], limit: Int) throws(Failure) -> Encoding {
        guard var result = encodings.first else { return Encoding() }
        var tokens = result.count
        for next in encodings.dropFirst() {
            tokens += next.count
            guard tokens <= limit else {
                throw Failure(
                    .outOfMemory, "post-processing makes more than \(limit) tokens, the most for texts of this length")
            }
        }
        // What has no parts is gathered first, so that the many parts of another are not copied for each.
        var whole = Encoding()
        for next in encodings.dropFirst() {
            if next.overflowing.isEmpty {
                whole.appendTokens(of: next)
                continue
            }
            for other in [whole, next] { try result.append(other, limit: limit) }
            whole = Encoding()
        }
        try result.append(whole, limit: limit)
        return result
    }

    /// What the combined parts of both cost, or nil if that does not fit into 64 bits.
    private static func combinedCost(_ first: Encoding, _ second: Encoding) -> Int? {
        let (parts, others) = (first.overflowing.count, second.overflowing.count)
        if parts == 0, others == 0 { return 0 }
        let tokens = first.overflowing.reduce(0) { $0 + $1.count }
        let otherTokens = second.overflowing.reduce(0) { $0 + $1.count }
        // Each part with the second and its parts; the first itself with the parts of the second.
        var sum = otherTokens
        for (left, right) in [
            (tokens, others + 1), (parts, second.count + otherTokens), (others, first.count),
            (Limits.partCost * parts, others + 1), (Limits.partCost, others),
        ] {
            let (product, isTooLarge) = left.multipliedReportingOverflow(by: right)
            let (next, overflows) = sum.addingReportingOverflow(product)
            if isTooLarge || overflows { return nil }
            sum = next
        }
        return sum
    }

    /// Appends the tokens of `other`. What was cut off of either is combined with the whole of the other.
    private mutating func append(_ other: Encoding, limit: Int) throws(Failure) {
        let cost = Self.combinedCost(self, other)
        guard let cost, cost <= limit else {
            throw Failure(
                .outOfMemory,
                "combining what truncation cut off, \(overflowing.count) parts with \(other.overflowing.count), would "
                    + "make \(cost.map(String.init) ?? "more than 2^63") tokens; at most \(limit) are possible for texts of "
                    + "this length: keep more tokens, or no parts")
        }
        var combined: [Encoding] = []
        for mine in overflowing {
            combined.append(mine.followed(byTokensOf: other))
            for theirs in other.overflowing { combined.append(mine.followed(byTokensOf: theirs)) }
        }
        for theirs in other.overflowing { combined.append(followed(byTokensOf: theirs)) }
        appendTokens(of: other)
        overflowing = combined
    }

    private func followed(byTokensOf other: Encoding) -> Encoding {
        var result = Encoding()
        if !margins.isEmpty || !other.margins.isEmpty {
            result = self
            result.overflowing = []
            result.appendTokens(of: other)
            return result
        }
        // Arrays of just the size that they need: there may be very many.
        result.ids = ids + other.ids
        result.typeIDs = typeIDs + other.typeIDs
        result.specialTokensMask = specialTokensMask + other.specialTokensMask
        result.offsets = offsets + other.offsets
        result.wordIDs = wordIDs + other.wordIDs
        result.sequenceIDs = sequenceIDs + other.sequenceIDs
        return result
    }

    /// Appends the tokens of `other`, but not what was cut off of it.
    mutating func appendTokens(of other: Encoding) {
        if !margins.isEmpty || !other.margins.isEmpty {
            margins += repeatElement(TokenMargins(), count: ids.count - margins.count)
            margins += other.margins
            margins += repeatElement(TokenMargins(), count: other.count - other.margins.count)
        }
        ids.append(contentsOf: other.ids)
        typeIDs.append(contentsOf: other.typeIDs)
        specialTokensMask.append(contentsOf: other.specialTokensMask)
        offsets.append(contentsOf: other.offsets)
        wordIDs.append(contentsOf: other.wordIDs)
        sequenceIDs.append(contentsOf: other.sequenceIDs)
    }
}
