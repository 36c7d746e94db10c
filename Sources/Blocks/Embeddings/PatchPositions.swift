import NestlingBasics
import Synchronization
import NestlingTensors

/// Learned positions of a grid of patches, and what they are in other grids: interpolated, and kept for the next image of the
/// same size.
final class PatchPositions: Sendable {
    /// The grid of training.
    let grid: PatchGrid
    private let columns: Int
    private let antialias: Bool
    private let table: Vector
    private let kept = Mutex<[(grid: PatchGrid, table: Vector)]>([])

    /// Tables that are kept have at most so many floats, and there are at most so many: 32 MB.
    private static let mostFloats = 1 << 20
    private static let mostTables = 8

    /// Positions `table` `[grid.count, columns]`.
    init(_ table: Vector, _ grid: PatchGrid, columns: Int, antialias: Bool) {
        self.table = table
        self.grid = grid
        self.columns = columns
        self.antialias = antialias
    }

    /// Gives `body` the positions of `wanted` as `[wanted.count, columns]`. Tables too large to be kept are written to `room`,
    /// a matrix of that shape whose memory is `body`'s to overwrite.
    func withTable(of wanted: PatchGrid, room: Matrix, _ body: (Matrix) -> Void) throws(Failure) {
        if wanted == grid { return lend(table, wanted, body) }
        guard room.rows * columns <= Self.mostFloats else {
            interpolate(to: wanted, into: room)
            return body(room)
        }
        if let known = kept.withLock({ $0.first { $0.grid == wanted }?.table }) { return lend(known, wanted, body) }
        let made = try Vector(count: wanted.count * columns) { pointer in
            interpolate(to: wanted, into: Matrix(pointer, rows: wanted.count, columns: columns))
        }
        kept.withLock { kept in
            if kept.count == Self.mostTables { kept.removeFirst() }
            // Another thread may have been as quick: then the same lies there twice.
            kept.append((wanted, made))
        }
        lend(made, wanted, body)
    }

    private func lend(_ table: Vector, _ grid: PatchGrid, _ body: (Matrix) -> Void) {
        // Read only: residuals are described by the same type as outputs.
        body(Matrix(UnsafeMutablePointer(mutating: table.pointer), rows: grid.count, columns: columns))
        withExtendedLifetime(table) {}
    }

    /// Down first, then across: the new row of patches is made of old rows, and each of its patches of those.
    private func interpolate(to new: PatchGrid, into output: Matrix) {
        let down = CubicTaps(from: grid.rows, to: new.rows, antialias: antialias)
        let across = CubicTaps(from: grid.columns, to: new.columns, antialias: antialias)
        let width = grid.columns * columns
        var line = [Float](repeating: 0, count: width)
        for row in 0..<new.rows {
            for index in line.indices { line[index] = 0 }
            for tap in down.offsets[row]..<down.offsets[row + 1] {
                let (source, weight) = (table.pointer + down.indices[tap] * width, down.weights[tap])
                for index in 0..<width { line[index] += weight * source[index] }
            }
            for column in 0..<new.columns {
                let target = output.row(row * new.columns + column)
                target.update(repeating: 0, count: columns)
                for tap in across.offsets[column]..<across.offsets[column + 1] {
                    let (first, weight) = (across.indices[tap] * columns, across.weights[tap])
                    for index in 0..<columns { target[index] += weight * line[first + index] }
                }
            }
        }
    }
}
