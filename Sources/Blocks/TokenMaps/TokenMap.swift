import Basics
import Tensors

/// How n tokens became m: for each old row the new row that it is part of, within one sequence, and so the way back.
///
/// One object serves merging, tracing and restoring. Every new row has at least one old row, and new rows stand in the
/// order of the old rows that give them their place.
public struct TokenMap: Sendable {
    /// `newRow[i]`: the new row of old row `i`.
    public var newRow: [Int32]
    /// Old rows that give each new row its place, rising: its position, and where it stands.
    public var keptRows: [Int32]

    /// Rows before.
    public var oldCount: Int { newRow.count }
    /// Rows after.
    public var newCount: Int { keptRows.count }

    /// A map of `newRow` and `keptRows`.
    public init(newRow: [Int32], keptRows: [Int32]) {
        self.newRow = newRow
        self.keptRows = keptRows
    }

    /// Merges the rows of one sequence where they lie: `x' = sum(x * size) / sum(size)` over the rows that become one.
    /// Rows that stay alone keep their bits. `sizes` are those of the old rows on entry, of the new rows on return.
    func merge(_ rows: Matrix, sizes: UnsafeMutablePointer<Float>) {
        let columns = rows.columns
        var isShared = [Bool](repeating: false, count: newCount)
        for old in 0..<oldCount where keptRows[Int(newRow[old])] != old { isShared[Int(newRow[old])] = true }
        for new in 0..<newCount where isShared[new] {
            let kept = Int(keptRows[new])
            let target = rows.row(kept)
            for column in 0..<columns { target[column] *= sizes[kept] }
        }
        for old in 0..<oldCount {
            let kept = Int(keptRows[Int(newRow[old])])
            guard kept != old else { continue }
            let (source, target, size) = (rows.row(old), rows.row(kept), sizes[old])
            for column in 0..<columns { target[column] += source[column] * size }
        }
        for old in 0..<oldCount {
            let kept = Int(keptRows[Int(newRow[old])])
            if kept != old { sizes[kept] += sizes[old] }
        }
        // Kept rows rise, and each moves to a row no later than its own: moving them in order overwrites only rows that
        // have been used.
        for new in 0..<newCount {
            let kept = Int(keptRows[new])
            let (source, target, size) = (rows.row(kept), rows.row(new), sizes[kept])
            if isShared[new] {
                for column in 0..<columns { target[column] = source[column] / size }
            } else if kept != new {
                target.update(from: source, count: columns)
            }
            sizes[new] = size
        }
    }
}
