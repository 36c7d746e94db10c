import Basics
public import Tensors

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
            for index in shares.starts[old]..<shares.starts[old + 1] {
                body(Int(shares.columns[index]), shares.weights[index])
            }
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
        var product = Shares()
        var sums = [Float](repeating: 0, count: next.newCount)
        for old in 0..<oldCount {
            forEachShare(of: old) { middle, share in
                next.forEachShare(of: middle) { new, part in sums[new] += share * part }
            }
            product.appendRow(taking: &sums)
        }
        return TokenMap(product, keptRows: kept)
    }

    /// Gives each old row what it is part of, `x_i = sum_k T[i, k] y_k`, from the new rows `rows` to `output`. Rows of pruned
    /// tokens are left as they are.
    public func restore(_ rows: Matrix, into output: Matrix) {
        for old in 0..<oldCount where newRow[old] >= 0 {
            let target = output.row(old)
            guard shares != nil else {
                target.update(from: rows.row(Int(newRow[old])), count: rows.columns)
                continue
            }
            target.update(repeating: 0, count: rows.columns)
            forEachShare(of: old) { new, share in
                let source = rows.row(new)
                for column in 0..<rows.columns { target[column] += share * source[column] }
            }
        }
    }
}

/// A sparse matrix of shares, row after row: row `i` has the entries `starts[i] ..< starts[i + 1]`.
struct Shares: Sendable {
    private(set) var starts = [0]
    private(set) var columns: [Int32] = []
    private(set) var weights: [Float] = []

    var rows: Int { starts.count - 1 }

    /// Appends a row of one entry, all of it.
    mutating func appendRow(whole column: Int) {
        columns.append(Int32(truncatingIfNeeded: column))
        weights.append(1)
        starts.append(columns.count)
    }

    /// Appends a row with the entries of `row` that are not 0, and sets them to 0.
    mutating func appendRow(taking row: inout [Float]) {
        for column in row.indices where row[column] != 0 {
            columns.append(Int32(truncatingIfNeeded: column))
            weights.append(row[column])
            row[column] = 0
        }
        starts.append(columns.count)
    }

    /// The column of the greatest entry of `row`; -1 if it is empty.
    func strongest(_ row: Int) -> Int32 {
        var best: (column: Int32, weight: Float) = (-1, -.infinity)
        for index in starts[row]..<starts[row + 1] where weights[index] > best.weight || best.column < 0 {
            best = (columns[index], weights[index])
        }
        return best.column
    }
}
