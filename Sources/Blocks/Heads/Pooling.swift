import Kernels
public import Tensors

/// How token vectors become a sequence vector. The raw values are those of `NESTLING_POOLING_...`.
public enum Pooling: UInt32, Sendable, CaseIterable {
    /// The first token.
    case cls = 1
    /// The mean, weighted by size where tokens were merged.
    case mean = 2
    /// The greatest value of each dimension.
    case max = 3
    /// The last token.
    case last = 4
    /// The mean, weighted by position (1 for the first token) and size (SGPT, arXiv 2202.08904).
    case weightedMean = 5
    /// The sum over the square root of the length.
    case meanSquareRootLength = 6

    /// The name in descriptions and options.
    public var name: String {
        switch self {
        case .cls: "cls"
        case .mean: "mean"
        case .max: "max"
        case .last: "last"
        case .weightedMean: "weighted_mean"
        case .meanSquareRootLength: "mean_sqrt_length"
        }
    }

    /// The pooling called `name`.
    public init?(name: String) {
        guard let pooling = Pooling.allCases.first(where: { $0.name == name }) else { return nil }
        self = pooling
    }

    /// Writes one row for each sequence of `stream` to `output` `[sequences, columns]`.
    ///
    /// Where tokens were merged, this is the pooling of what they would be unmerged.
    ///
    /// - Parameter skipped: leading tokens that means and the maximum leave out, where more than those remain.
    public func apply(_ stream: Matrix, into output: Matrix, skipping skipped: Int = 0, _ context: ForwardContext) {
        if context.originalRows.isEmpty, skipped == 0 {
            apply(stream, weights: nil, kernel: nk_pooling(rawValue), into: output, context)
            return
        }
        // A row weighs as much as the original tokens that it stands for.
        var weights = [Float](repeating: 0, count: stream.rows)
        for sequence in 0..<context.sequences {
            let tokens = context.originalOffsets[sequence]..<context.originalOffsets[sequence + 1]
            let counted = tokens.dropFirst(tokens.count > skipped ? skipped : 0)
            switch self {
            case .cls, .last:
                let row = context.row(ofOriginal: self == .cls ? tokens.lowerBound : tokens.upperBound - 1)
                output.row(sequence).update(from: stream.row(row), count: stream.columns)
            case .max:
                output.row(sequence).update(repeating: -.infinity, count: stream.columns)
                for token in counted {
                    let (source, target) = (stream.row(context.row(ofOriginal: token)), output.row(sequence))
                    for column in 0..<stream.columns { target[column] = Swift.max(target[column], source[column]) }
                }
            case .mean, .weightedMean, .meanSquareRootLength:
                for token in counted {
                    weights[context.row(ofOriginal: token)] +=
                        self == .weightedMean ? Float(token - tokens.lowerBound + 1) : 1
                }
            }
        }
        switch self {
        case .cls, .last, .max: break
        case .mean, .weightedMean: apply(stream, weights: weights, kernel: NK_POOL_MEAN, into: output, context)
        case .meanSquareRootLength:
            apply(stream, weights: weights, kernel: NK_POOL_MEAN_SQRT_LENGTH, into: output, context)
        }
    }

    private func apply(
        _ stream: Matrix, weights: [Float]?, kernel: nk_pooling, into output: Matrix, _ context: ForwardContext
    ) {
        nk_pool(
            stream.pointer, stream.stride, context.offsets, context.sequences, stream.columns, kernel, weights,
            output.pointer, output.stride, Int32(context.threads))
    }
}

extension Matrix {
    /// Scales each row to Euclidean length 1.
    public func normalizeRows() { nk_normalize_rows(pointer, stride, rows, columns) }
}
