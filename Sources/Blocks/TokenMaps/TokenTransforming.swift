public import NestlingBasics
import NestlingKernels
import NestlingTensors

/// Many-to-many reduction by a transformation matrix, without training (the view of Zeng et al., Token Transforming,
/// arXiv 2506.05709; the paper's own formula is not public, this one is ours).
///
/// Of `n` tokens the `m` with the highest scores stay, `I`, besides the protected ones, which pass through unchanged. Each of
/// the others, those of `I` included, spreads over `I`:
///
///     T[j, i] = softmax_i(cos(k_j, k_i) / temperature)         `[n, m]`
///     x'_i = sum_j T[j, i] s_j x_j / s'_i,  s'_i = sum_j T[j, i] s_j         mass is preserved
///     recovered: x_j = sum_i T[j, i] y_i         over layers the product of the matrices
///
/// Cosines are those of the layer's keys, mean over heads. The score is the weight with which the first token attends to a
/// token (`"class"`), or the mean attention that it receives (`"received"`). Ties keep the lower index. Memory and time grow
/// with `n m`: meant for a few layers, not for every one.
public struct TokenTransforming: Reducer {
    private let settings: ReductionSettings
    private let temperature: Float
    private let isByClass: Bool
    public var isProportional: Bool { settings.isProportional }
    public var signals: Signals { [.keys, isByClass ? .firstTokenAttention : .attentionReceived] }
    public var mixes: Bool { true }

    /// The most entries of a matrix that are stored.
    private static let mostEntries = 1 << 27

    /// Reads what ``ReductionSettings`` reads, and `{"temperature"?: 0.1, "score"?}`; the score is `"class"` unless the first
    /// token is not protected.
    public init(_ fields: JSONFields) throws(Failure) {
        settings = try ReductionSettings(fields, ownKeys: ["temperature", "score"])
        temperature = Float(try fields.number("temperature", in: 1e-3...1e3, default: 0.1))
        let score = try fields.string("score", default: settings.protectsFirst ? "class" : "received")
        guard ["class", "received"].contains(score) else {
            throw Failure(
                .invalidArgument, "\(fields.name): score \(score.quoted) is not known; known are class, received")
        }
        isByClass = score == "class"
    }

    private func mostRemoved(_ count: Int, _ special: SpecialTokens) -> Int { settings.free(count, special).count - 1 }

    public func multiplyAdds(_ count: Int, remaining: Int, keySize: Int, hiddenSize: Int) -> Double {
        Double(count) * Double(remaining) * Double(keySize + hiddenSize)
    }

    /// The matrix, the softmax that it is made of, and the keys of those that stay.
    public func mapFloats(_ count: Int, remaining: Int, keySize: Int) throws(Failure) -> Int {
        let columns = try remaining.added(to: 31, "token maps") / 32 * 32
        let matrices = try count.multiplied(by: try remaining.added(to: columns, "token maps"), "token maps")
        return try matrices.added(to: try remaining.multiplied(by: keySize, "token maps"), "token maps")
    }

    public func remainingTokens(_ tokens: Int, in outline: NetworkOutline) -> [Int] {
        settings.remaining(tokens, in: outline, most: { mostRemoved($0, outline.specialTokens) })
    }

    public func map(_ tokens: LayerTokens, remaining: Int, threads: Int) throws(Failure) -> TokenMap? {
        let removed = min(tokens.count - remaining, mostRemoved(tokens.count, tokens.special))
        guard removed > 0, let metric = tokens.keys, let attention = tokens.attention else { return nil }
        let free = settings.free(tokens.count, tokens.special)
        let kept = Ranking.descending(Array(free)) { attention[$0] }.dropLast(removed).sorted()
        guard tokens.count * kept.count <= Self.mostEntries else {
            throw Failure(
                .unsupported,
                "token_transforming of \(tokens.count) tokens to \(kept.count) needs a matrix of more than \(Self.mostEntries) entries"
            )
        }
        let shares = shares(of: metric, kept, threads: threads)
        let keptRows = Array(0..<free.lowerBound) + kept + Array(free.upperBound..<tokens.count)
        var matrix = Shares(rows: tokens.count, columns: keptRows.count)
        for token in 0..<tokens.count {
            guard free.contains(token) else {
                matrix[token, token < free.lowerBound ? token : token - removed] = 1
                continue
            }
            let row = shares.row(token)
            for index in kept.indices { matrix[token, free.lowerBound + index] = row[index] }
        }
        return TokenMap(matrix, keptRows: keptRows.map { Int32(truncatingIfNeeded: $0) })
    }

    /// The softmax of similarities of every token to those of `kept`.
    private func shares(of metric: Matrix, _ kept: [Int], threads: Int) -> OwnedMatrix {
        let targets = OwnedMatrix(rows: kept.count, columns: metric.columns)
        for (row, token) in kept.enumerated() {
            targets.row(row).update(from: metric.row(token), count: metric.columns)
        }
        let shares = OwnedMatrix(rows: metric.rows, columns: (kept.count + 31) / 32 * 32)
        nk_similarities(
            metric.pointer, metric.stride, metric.rows, targets.row(0), targets.columns, kept.count, metric.columns,
            shares.row(0), shares.columns, Int32(threads))
        nk_softmax_rows(
            shares.row(0), shares.columns, metric.rows, kept.count, 1 / temperature, 0, NK_SOFTMAX_THREE_PASSES,
            shares.row(0), shares.columns, Int32(threads))
        return shares
    }
}

/// A matrix with memory of its own.
private final class OwnedMatrix {
    let rows, columns: Int
    private let memory: UnsafeMutablePointer<Float>

    init(rows: Int, columns: Int) {
        (self.rows, self.columns) = (rows, columns)
        memory = .allocate(capacity: max(1, rows * columns))
    }

    deinit { memory.deallocate() }

    func row(_ index: Int) -> UnsafeMutablePointer<Float> { memory + index * columns }
}
