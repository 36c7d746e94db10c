import NestlingKernels
public import NestlingTensors

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
        if context.maps.isEmpty, skipped == 0 {
            apply(stream, weights: nil, kernel: nk_pooling(rawValue), into: output, context)
            return
        }
        // A row weighs as much as it has of original tokens.
        var weights = [Float](repeating: 0, count: stream.rows)
        for sequence in 0..<context.sequences {
            let rows = stream.rows(context.offsets[sequence]..<context.offsets[sequence + 1])
            let map = context.map(of: sequence)
            let counted = (remains(map, from: skipped) ? skipped : 0)..<map.oldCount
            switch self {
            case .cls: Self.one(0, of: map, rows, or: 0, into: output.row(sequence))
            case .last: Self.one(map.oldCount - 1, of: map, rows, or: rows.rows - 1, into: output.row(sequence))
            case .max: greatest(counted, of: map, rows, into: output.row(sequence))
            case .mean, .weightedMean, .meanSquareRootLength:
                for token in counted {
                    let weight = self == .weightedMean ? Float(token + 1) : 1
                    map.forEachShare(of: token) { row, share in
                        weights[context.offsets[sequence] + row] += share * weight
                    }
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

    /// Whether any token from `first` on has not been pruned.
    private func remains(_ map: TokenMap, from first: Int) -> Bool {
        map.newRow.dropFirst(first).contains { $0 >= 0 }
    }

    /// The row of a sequence whose tokens went by `map` that alone is read; `nil`: several are.
    public func row(_ map: TokenMap) -> Int? {
        switch self {
        case .cls: Self.row(of: 0, map, or: 0)
        case .last: Self.row(of: map.oldCount - 1, map, or: map.newCount - 1)
        case .mean, .max, .weightedMean, .meanSquareRootLength: nil
        }
    }

    /// The tokens of a sequence that it reads; `nil`: all.
    public var tokensRead: SpecialTokens? {
        switch self {
        case .cls: SpecialTokens(first: 1, last: 0)
        case .last: SpecialTokens(first: 0, last: 1)
        case .mean, .max, .weightedMean, .meanSquareRootLength: nil
        }
    }

    /// The row that ``one(_:of:_:or:into:)`` reads; `nil`: it reads several, or there is none.
    static func row(of token: Int, _ map: TokenMap, or other: Int) -> Int? {
        guard map.newRow.indices.contains(token), map.newCount > 0 else { return nil }
        return map.newRow[token] < 0 ? other : map.isManyToMany ? nil : Int(map.newRow[token])
    }

    /// Writes what token `token` is part of; the row `other` if it was pruned.
    static func one(
        _ token: Int, of map: TokenMap, _ rows: Matrix, or other: Int, into output: UnsafeMutablePointer<Float>
    ) {
        guard map.isManyToMany, map.newRow[token] >= 0 else {
            let row = map.newRow[token] < 0 ? other : Int(map.newRow[token])
            return output.update(from: rows.row(row), count: rows.columns)
        }
        output.update(repeating: 0, count: rows.columns)
        map.forEachShare(of: token) { row, share in
            for column in 0..<rows.columns { output[column] += share * rows.row(row)[column] }
        }
    }

    /// The greatest value of each dimension of what `tokens` are part of.
    private func greatest(
        _ tokens: Range<Int>, of map: TokenMap, _ rows: Matrix, into output: UnsafeMutablePointer<Float>
    ) {
        output.update(repeating: -.infinity, count: rows.columns)
        var values = [Float](repeating: 0, count: rows.columns)
        for token in tokens where map.newRow[token] >= 0 {
            values.withUnsafeMutableBufferPointer { values in
                guard let base = values.baseAddress else { return }
                Self.one(token, of: map, rows, or: 0, into: base)
            }
            for column in 0..<rows.columns { output[column] = Swift.max(output[column], values[column]) }
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
