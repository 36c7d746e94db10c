public import NestlingBasics
import Glibc
import NestlingKernels
import NestlingTensors

/// PiToMe: token merging that protects what is unlike the rest (Tran et al., arXiv 2405.16148).
///
/// The energy of a token is the mean over all others of `ELU(cos(k_i, k_j) - margin)`, where
/// `ELU(x) = x` for `x >= 0` and `exp(x) - 1` below; cosines are those of the layer's keys, mean over heads, of tokens that are
/// not protected. To remove `r`, the `2r` tokens of the highest energy are candidates: those at even ranks merge into the most
/// similar ones at odd ranks. Ties go to the lower index; energies of all pairs take time that grows with the square of the
/// tokens, and memory that does not.
public struct EnergyMerging: Reducer {
    private let settings: ReductionSettings
    /// `nil`: falls over the layers, `0.9 - 0.9 l / L` in layer `l = 0 ..< L`.
    private let margin: Double?
    public var isProportional: Bool { settings.isProportional }
    public var signals: Signals { .keys }

    /// Reads what ``ReductionSettings`` reads, and `{"margin"?}`.
    public init(_ fields: JSONFields) throws(Failure) {
        settings = try ReductionSettings(fields, ownKeys: ["margin"])
        margin = try fields.optionalNumber("margin", in: -1...1)
    }

    public func changeable(_ count: Int, _ special: SpecialTokens) -> Range<Int> { settings.free(count, special) }

    public func multiplyAdds(_ count: Int, remaining: Int, keySize: Int, hiddenSize: Int) -> Double {
        // The energies, an exponential worth about 600 multiply-adds for each, and the matching.
        Double(count) * Double(count) * Double(keySize + 600)
            + Double(count - remaining) * Double(count) * Double(keySize)
    }

    public func remainingTokens(_ tokens: Int, in outline: NetworkOutline) -> [Int] {
        settings.remaining(tokens, in: outline) { settings.free($0, outline.specialTokens).count / 2 }
    }

    public func map(_ tokens: LayerTokens, remaining: Int, threads: Int) -> TokenMap? {
        let free = settings.free(tokens.count, tokens.special)
        let merged = min(tokens.count - remaining, free.count / 2)
        guard merged > 0, let metric = tokens.keys?.rows(free) else { return nil }
        let margin = margin ?? 0.9 - 0.9 * Double(tokens.layer) / Double(max(1, tokens.layers))
        var energy = [Float](repeating: 0, count: free.count)
        nk_merge_energy(
            metric.pointer, metric.stride, metric.rows, metric.columns, Float(margin), &energy, Int32(threads))
        let candidates = Ranking.descending(Array(free.indices)) { energy[$0 - free.lowerBound] }.prefix(2 * merged)

        var isDestination = [UInt8](repeating: 0, count: free.count)
        var isSource = isDestination
        for (rank, token) in candidates.enumerated() {
            if rank % 2 == 0 {
                isSource[token - free.lowerBound] = 1
            } else {
                isDestination[token - free.lowerBound] = 1
            }
        }
        var best = [Int32](repeating: -1, count: free.count)
        var score = [Float](repeating: 0, count: free.count)
        nk_best_match(
            metric.pointer, metric.stride, metric.rows, isSource, metric.pointer, metric.stride, metric.rows,
            isDestination, metric.columns, &best, &score, Int32(threads))
        var destination = (0..<tokens.count).map { Int32(truncatingIfNeeded: $0) }
        for token in free where isSource[token - free.lowerBound] != 0 {
            destination[token] = best[token - free.lowerBound] + Int32(truncatingIfNeeded: free.lowerBound)
        }
        return TokenMap(destination: destination)
    }
}
