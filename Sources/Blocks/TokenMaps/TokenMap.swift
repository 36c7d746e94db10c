import NestlingKernels
public import NestlingTensors

/// How n tokens became m, within one sequence: which share of each old row is in which new row, and so the way back.
///
/// One object serves merging, pruning, tracing and restoring. As a matrix it is `T` `[n, m]`: a row of a merge has a single
/// 1, that of a pruned token is 0, and a many-to-many row holds shares that add up to 1. New rows stand in the order of the
/// old rows that give them their place, and each has at least that one.
public struct TokenMap: Sendable {
    /// `newRow[i]`: the new row that has the greatest share of old row `i` (of equal ones the first); -1: it was pruned.
    public let newRow: [Int32]
    /// Old rows that give each new row its place, rising: its position, and where it stands.
    public let keptRows: [Int32]
    /// The shares, where a row may have several; `nil`: all of a row goes to ``newRow``.
    let shares: Shares?
    /// How the rows that become one are joined.
    let joining: Joining
    /// The new rows in the order in which the reducer wants to see them in the next layer; `nil`: as they lie.
    var nextOrder: [Int32]?

    /// Rows before.
    public var oldCount: Int { newRow.count }
    /// Rows after.
    public var newCount: Int { keptRows.count }

    /// Whether a row may have several shares.
    public var isManyToMany: Bool { shares != nil }

    /// A map that joins whole rows, and prunes those whose `newRow` is -1.
    public init(newRow: [Int32], keptRows: [Int32], joining: Joining = .mean) {
        self.newRow = newRow
        self.keptRows = keptRows
        self.joining = joining
        shares = nil
    }

    /// A many-to-many map; rows are joined to the mean.
    init(_ shares: Shares, keptRows: [Int32]) {
        newRow = (0..<shares.rows).map(shares.strongest)
        self.keptRows = keptRows
        joining = .mean
        self.shares = shares
    }

    /// The map that keeps all of `count` rows.
    public init(identity count: Int) {
        let rows = (0..<count).map { Int32(truncatingIfNeeded: $0) }
        self.init(newRow: rows, keptRows: rows)
    }

    /// The map in which each old row goes to `destination[row]`, an old row that stays (its own destination), or is pruned:
    /// -1. The order is kept.
    init(destination: [Int32], joining: Joining = .mean) {
        var newRow = [Int32](repeating: -1, count: destination.count)
        var keptRows: [Int32] = []
        for token in destination.indices where Int(destination[token]) == token {
            newRow[token] = Int32(truncatingIfNeeded: keptRows.count)
            keptRows.append(Int32(truncatingIfNeeded: token))
        }
        for token in destination.indices where destination[token] >= 0 {
            newRow[token] = newRow[Int(destination[token])]
        }
        self.init(newRow: newRow, keptRows: keptRows, joining: joining)
    }

    /// Calls `body` with each new row that has a share of old row `old`, and the share.
    public func forEachShare(of old: Int, _ body: (_ new: Int, _ share: Float) -> Void) {
        if let shares {
            for new in 0..<shares.columns where shares[old, new] != 0 { body(new, shares[old, new]) }
        } else if newRow[old] >= 0 {
            body(Int(newRow[old]), 1)
        }
    }

    /// From the rows before this map to those after `next`: the product of the two matrices.
    public func followed(by next: TokenMap) -> TokenMap {
        let kept = next.keptRows.map { keptRows[Int($0)] }
        if shares == nil, next.shares == nil {
            return TokenMap(newRow: newRow.map { $0 < 0 ? -1 : next.newRow[Int($0)] }, keptRows: kept)
        }
        if let shares, let own = next.shares { return TokenMap(shares.followed(by: own), keptRows: kept) }
        var product = Shares(rows: oldCount, columns: next.newCount)
        for old in 0..<oldCount {
            forEachShare(of: old) { middle, share in
                next.forEachShare(of: middle) { new, part in product[old, new] += share * part }
            }
        }
        return TokenMap(product, keptRows: kept)
    }

    /// Gives each old row what it is part of, `x_i = sum_k T[i, k] y_k`, from the new rows `rows` to `output`. Rows of pruned
    /// tokens are left as they are.
    public func restore(_ rows: Matrix, into output: Matrix, threads: Int) {
        if let shares {
            return shares.multiply(
                rows.pointer, stride: rows.stride, columns: rows.columns, into: output, threads: threads)
        }
        for old in 0..<oldCount where newRow[old] >= 0 {
            output.row(old).update(from: rows.row(Int(newRow[old])), count: rows.columns)
        }
    }
}

/// The shares of a many-to-many map: a matrix, because nearly all of them are there.
struct Shares: Sendable {
    let rows, columns: Int
    /// Row after row.
    private(set) var values: [Float]

    init(rows: Int, columns: Int) {
        (self.rows, self.columns) = (rows, columns)
        values = Array(repeating: 0, count: rows * columns)
    }

    subscript(row: Int, column: Int) -> Float {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }

    /// The column of the greatest entry of `row`, of equal ones the first; -1 if all are 0.
    func strongest(_ row: Int) -> Int32 {
        var best: (column: Int, share: Float) = (-1, 0)
        for column in 0..<columns where self[row, column] > best.share || (best.column < 0 && self[row, column] != 0) {
            best = (column, self[row, column])
        }
        return Int32(truncatingIfNeeded: best.column)
    }

    /// The product of this matrix and `input` `[columns, *]`.
    func multiply(_ input: UnsafePointer<Float>, stride: Int, columns count: Int, into output: Matrix, threads: Int) {
        nk_mix_rows(
            values, columns, rows, columns, input, stride, count, output.pointer, output.stride, Int32(threads))
    }

    /// The product of two matrices.
    func followed(by next: Shares) -> Shares {
        var product = Shares(rows: rows, columns: next.columns)
        product.values.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            let output = Matrix(base, rows: rows, columns: next.columns)
            next.values.withUnsafeBufferPointer { input in
                guard let input = input.baseAddress else { return }
                multiply(input, stride: next.columns, columns: next.columns, into: output, threads: 1)
            }
        }
        return product
    }
}
