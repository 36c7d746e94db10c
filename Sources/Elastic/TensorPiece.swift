import NestlingBasics
import NestlingCheckpoints
import NestlingModels

/// Rows and leading columns of an original tensor.
struct TensorPiece: Equatable {
    /// Rising, apart from each other.
    var rows: [Range<Int>] = []
    var columns = 0
    /// Whether the tensor is stored as `[columns, rows]`.
    var isTransposed = false

    /// Takes `other` in as well.
    mutating func include(_ other: TensorPiece) {
        columns = max(columns, other.columns)
        isTransposed = isTransposed || other.isTransposed
        var merged: [Range<Int>] = []
        for range in (rows + other.rows).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        rows = merged
    }

    var rowCount: Int { rows.reduce(0) { $0 + $1.count } }

    /// Kept rows before row `row` of the original.
    private func position(of row: Int) -> Int {
        rows.reduce(0) { $0 + max(0, min(row, $1.upperBound) - $1.lowerBound) }
    }

    /// `node`, which says what a layer uses of the original, in the piece.
    func relocated(_ node: LinearNode) -> LinearNode {
        var new = node
        new.rows = rowCount
        new.columns = columns
        new.firstRow = position(of: node.firstRow)
        // All runs keep the same rows between them.
        if !node.isContiguous { new.stride = position(of: node.firstRow + node.stride) - new.firstRow }
        return new
    }

    /// The shape of the piece, cut from `tensor`.
    func shape(of tensor: Tensor) -> [Int] {
        guard tensor.shape.count > 1 else { return [rowCount] }
        return isTransposed ? [columns, rowCount] : [rowCount, columns]
    }

    /// The whole of a tensor of these dimensions, stored as the piece is.
    func widened(to shape: [Int]) -> TensorPiece {
        guard let first = shape.first else { return self }
        let rest = shape.dropFirst().reduce(1, *)
        let (height, width) = isTransposed && shape.count == 2 ? (rest, first) : (first, rest)
        return TensorPiece(rows: [0..<height], columns: width, isTransposed: isTransposed)
    }

    /// Whether all of the piece lies in a tensor of these dimensions.
    func lies(in shape: [Int]) -> Bool {
        guard !shape.isEmpty else { return false }
        let whole = widened(to: shape)
        return columns <= whole.columns && rows.allSatisfy { 0 <= $0.lowerBound && $0.upperBound <= whole.rowCount }
    }

    /// Writes the piece of `source`, whose elements are plain.
    func write(_ source: Tensor, to writer: SafetensorsWriter) throws(Failure) {
        guard let element = source.type.byteCount(of: 1) else {
            throw Failure(.internal, "tensor \(source.name) of type \(source.type.rawValue) cannot be cut")
        }
        guard lies(in: source.shape) else {
            throw Failure(
                .corrupt,
                "\(source.file.name): tensor \(source.name) has shape \(source.shape), expected rows \(rows) of \(columns) columns"
            )
        }
        let line = source.shape.dropFirst().reduce(1, *)
        func write(_ elements: Range<Int>) throws(Failure) {
            let bytes = elements.lowerBound * element..<elements.upperBound * element
            try writer.write(UnsafeRawBufferPointer(rebasing: source.bytes[bytes]))
        }
        if isTransposed, source.shape.count == 2 {
            for column in 0..<columns {
                for range in rows { try write(column * line + range.lowerBound..<column * line + range.upperBound) }
            }
        } else if columns == line {
            for range in rows { try write(range.lowerBound * line..<range.upperBound * line) }
        } else {
            for row in rows.joined() { try write(row * line..<row * line + columns) }
        }
    }
}
