/// How much may be made of a text, of token ids and of a file. Each component of a file is harmless alone, but a few lines
/// of JSON can ask for a doubling fifty times over; then no memory is enough. Tokenizers in use stay far below.
enum Limits {
    /// The components of one stage of a file, those inside of sequences included. Each sees the whole text.
    static let components = 1024
    /// The special tokens that a post-processor adds to a text.
    static let addedTokens = 1 << 16

    /// Bytes of an added token. It is looked for at every place of the text, so that a long one and a text that nearly holds
    /// it everywhere would take the product of both lengths.
    static let addedTokenBytes = 4096

    /// Bytes of normalized text that `count` bytes of text may become. Compatibility decomposition makes at most 18 of one
    /// and the byte-level alphabet doubles them; the rest is for what files insert. Places have 32 bits.
    static func normalizedBytes(of count: Int) -> Int { min(saturated(count, 64, 1 << 20), Int(Int32.max) - 16) }

    /// Tokens that a model may make of `count` bytes of normalized text: without markers for the ends of words at most
    /// one for each.
    static func tokens(ofBytes count: Int) -> Int { saturated(count, 16, 1 << 22) }

    /// What a part that truncation cuts off costs in tokens, besides those that it has.
    static let partCost = 32

    /// Tokens that post-processing may make of `count` tokens; again as many for the parts that truncation cuts off.
    static func joinedTokens(of count: Int) -> Int { saturated(count, 16, 1 << 22) }

    /// Bytes that the vocabulary's spelling of `count` token ids may have.
    static func spelledBytes(of count: Int) -> Int { saturated(count, 4096, 64 << 20) }

    /// Bytes that decoders may make of tokens that are spelled with `count`.
    static func decodedBytes(of count: Int) -> Int { saturated(count, 64, 1 << 20) }

    private static func saturated(_ count: Int, _ factor: Int, _ summand: Int) -> Int {
        let (product, isTooLarge) = count.multipliedReportingOverflow(by: factor)
        let (sum, overflows) = product.addingReportingOverflow(summand)
        return isTooLarge || overflows ? .max : sum
    }
}
