public import NestlingBasics
import NestlingKernels

/// A table of learned rows (token, position or type embeddings), used where it lies in the checkpoint: no copy.
public struct EmbeddingTable: Sendable {
    private let matrix: StoredMatrix

    /// Uses `matrix` `[rows, columns]` in place.
    public init(_ matrix: StoredMatrix) { self.matrix = matrix }

    /// Number of rows: valid indices are `0 ..< rows`.
    public var rows: Int { matrix.rows }
    /// Elements of a row.
    public var columns: Int { matrix.columns }

    /// The same numbers as rows of a `parts`-th of the elements each: row `r` becomes rows `r * parts ..< (r + 1) * parts`.
    public func split(into parts: Int, _ name: String) throws(Failure) -> EmbeddingTable {
        guard parts > 0, columns.isMultiple(of: parts * matrix.type.blockElements),
            try rows.multiplied(by: parts, name) <= Int(Int32.max)
        else {
            throw Failure(.unsupported, "\(name): \(rows) rows of \(columns) elements cannot be split into \(parts)")
        }
        return EmbeddingTable(
            StoredMatrix(
                bytes: matrix.bytes, type: matrix.type, rows: rows * parts, columns: columns / parts,
                owner: matrix.owner))
    }

    /// Writes, or adds, row `indices[i]` times `scale` to row `i` of `output`. Indices are valid.
    public func gather(
        _ indices: UnsafePointer<Int32>, into output: Matrix, adding: Bool, scale: Float = 1, threads: Int
    ) {
        nk_gather(
            matrix.bytes, matrix.type.kernel, columns, indices, output.rows, scale, adding ? 1 : 0, output.pointer,
            output.stride, Int32(threads))
    }
}
