import NestlingTensors

/// The rows of a stream in another order, in which rows that meet lie side by side.
public struct WindowLayout {
    /// The row of the stream that each row is; -1: padding.
    private(set) var sources: [Int] = []
    /// The row that each row of the stream is here.
    private(set) var places: [Int]
    /// Sequence `s` is the rows `offsets[s] ..< offsets[s + 1]`.
    private(set) var offsets = [0]
    /// Where each row stands in its window of `size`: `row * (2 size - 1) + column`, whose differences tell all pairs of
    /// distances down and across apart.
    private(set) var positions: [Int32] = []
    /// Whether the order is that of the stream.
    private(set) var isInOrder = true

    init(rows: Int) {
        places = Array(repeating: 0, count: rows)
        sources.reserveCapacity(rows)
        positions.reserveCapacity(rows)
    }

    mutating func append(row: Int?, position: Int) {
        if let row { places[row] = sources.count }
        if row != sources.count { isInOrder = false }
        sources.append(row ?? -1)
        positions.append(Int32(truncatingIfNeeded: position))
    }

    mutating func endSequence() { offsets.append(sources.count) }

    /// Rows in this order.
    var rows: Int { sources.count }
    /// Sequences that meet.
    var sequences: Int { offsets.count - 1 }

    /// Writes the rows of `stream` to `output` in this order, zeros for padding.
    func arrange(_ stream: Matrix, into output: Matrix, threads: Int) {
        Self.copy(stream, sources, into: output, threads: threads)
    }

    /// Writes rows in this order to `output` as they are in the stream; padding is left out.
    func restore(_ rows: Matrix, into output: Matrix, threads: Int) {
        Self.copy(rows, places, into: output, threads: threads)
    }

    /// Rows that a thread copies at a time.
    private static let copiedRows = 64

    private static func copy(_ rows: Matrix, _ indices: [Int], into output: Matrix, threads: Int) {
        parallel((indices.count + copiedRows - 1) / copiedRows, threads: threads) { part in
            for row in part * copiedRows..<min((part + 1) * copiedRows, indices.count) {
                if indices[row] < 0 {
                    output.row(row).update(repeating: 0, count: output.columns)
                } else {
                    output.row(row).update(from: rows.row(indices[row]), count: output.columns)
                }
            }
        }
    }
}
