public import NestlingBasics

/// MAELRE: merging in stages, with approximate attention while the sequence is long (arXiv 2507.19409).
///
/// Neighbours merge as in ``LocalMerging``, layer by layer, in linear time. A layer whose sequence has more than `exact` tokens
/// uses ``KeyPooling`` over `groups` groups; once the sequence has shrunk to `exact` tokens, attention is exact. The paper's
/// own approximation needs training; this one does not.
public struct MAELRE: Reducer {
    private let merging: LocalMerging
    public let keyPooling: KeyPooling?
    public var isProportional: Bool { merging.isProportional }
    public var signals: Signals { merging.signals }

    /// Reads what ``ReductionSettings`` reads, and `{"band"?: 1, "exact"?: 512, "groups"?: 256}`.
    public init(_ fields: JSONFields) throws(Failure) {
        let settings = try ReductionSettings(fields, ownKeys: ["band", "exact", "groups"])
        let exact = try fields.integer("exact", in: 1...Int(Int32.max), default: 512)
        let groups = try fields.integer("groups", in: 1...65536, default: min(256, exact))
        guard groups <= exact else {
            throw Failure(.invalidArgument, "\(fields.name): groups \(groups) are more than exact \(exact)")
        }
        merging = LocalMerging(
            settings, band: try fields.integer("band", in: 1...Int(Int32.max), default: 1), isCausal: false)
        keyPooling = KeyPooling(exactTokens: exact, groups: groups)
    }

    public func remainingTokens(_ tokens: Int, in outline: NetworkOutline) -> [Int] {
        var approximated = outline
        approximated.keyPooling = keyPooling
        return merging.remainingTokens(tokens, in: approximated)
    }

    public func multiplyAdds(_ count: Int, remaining: Int, keySize: Int, hiddenSize: Int) -> Double {
        merging.multiplyAdds(count, remaining: remaining, keySize: keySize, hiddenSize: hiddenSize)
    }

    public func map(_ tokens: LayerTokens, remaining: Int, threads: Int) throws(Failure) -> TokenMap? {
        merging.map(tokens, remaining: remaining, threads: threads)
    }
}
