/// Activations `[rows, columns]` in a workspace: row `r` begins at `pointer + r * stride`.
public struct Matrix {
    /// The first element.
    public var pointer: UnsafeMutablePointer<Float>
    /// Rows: tokens, or sequences.
    public var rows: Int
    /// Elements of a row.
    public var columns: Int
    /// Elements from one row to the next; at least `columns`.
    public var stride: Int

    /// Describes memory; `stride` is `columns` unless given.
    public init(_ pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
        self.pointer = pointer
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
    }

    /// Row `index`.
    public func row(_ index: Int) -> UnsafeMutablePointer<Float> { pointer + index * stride }

    /// The rows of `range`.
    public func rows(_ range: Range<Int>) -> Matrix {
        Matrix(row(range.lowerBound), rows: range.count, columns: columns, stride: stride)
    }

    /// The leading `rows`.
    public func prefix(rows: Int) -> Matrix { Matrix(pointer, rows: rows, columns: columns, stride: stride) }

    /// Moves the rows of the rising indices `kept` to the head, and gives them.
    public func keep(rows kept: [Int]) -> Matrix {
        for (place, index) in kept.enumerated() where place != index {
            row(place).update(from: row(index), count: columns)
        }
        return prefix(rows: kept.count)
    }

    /// Puts row `order[i]` in place `i`. `order` has each row once.
    public func reorderRows(_ order: [Int32]) {
        var isPlaced = [Bool](repeating: false, count: rows)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, columns)) { first in
            guard let first = first.baseAddress else { return }
            for start in 0..<rows where !isPlaced[start] && Int(order[start]) != start {
                first.update(from: row(start), count: columns)
                var place = start
                while Int(order[place]) != start {
                    row(place).update(from: row(Int(order[place])), count: columns)
                    isPlaced[place] = true
                    place = Int(order[place])
                }
                row(place).update(from: first, count: columns)
                isPlaced[place] = true
            }
        }
    }
}
