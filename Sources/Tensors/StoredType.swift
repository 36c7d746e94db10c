public import Basics
public import Kernels

/// The floating-point types in which checkpoints store weights.
public enum StoredType: Sendable {
    /// IEEE 754 single precision.
    case float32
    /// IEEE 754 half precision.
    case float16
    /// The upper half of a single-precision number.
    case bfloat16

    /// Bytes of one element.
    public var size: Int { self == .float32 ? 4 : 2 }

    /// The same type, as the kernels name it.
    public var kernel: nk_dtype {
        switch self {
        case .float32: NK_F32
        case .float16: NK_F16
        case .bfloat16: NK_BF16
        }
    }
}

/// A weight matrix where it lies in a file: `[rows, columns]`, row-major, at any alignment.
///
/// `owner` keeps the bytes alive.
public struct StoredMatrix: @unchecked Sendable {
    /// The first element.
    public let bytes: UnsafeRawPointer
    /// Type of the elements.
    public let type: StoredType
    /// Number of rows.
    public let rows: Int
    /// Elements of a row.
    public let columns: Int
    /// What keeps `bytes` valid.
    public let owner: any AnyObject & Sendable

    /// Describes `[rows, columns]` elements of `type` at `bytes`.
    public init(bytes: UnsafeRawPointer, type: StoredType, rows: Int, columns: Int, owner: any AnyObject & Sendable) {
        self.bytes = bytes
        self.type = type
        self.rows = rows
        self.columns = columns
        self.owner = owner
    }

    /// Copies `matrix` into memory of its own, elements converted to `type`: float32, or bfloat16 rounded to nearest even.
    ///
    /// - Parameter finished: called with the bytes of `matrix` that will not be read again, piece by piece.
    public init(
        converting matrix: StoredMatrix, to type: StoredType, finished: (Range<Int>) -> Void = { _ in }
    ) throws(Failure) {
        let storage = try AlignedStorage(bytes: matrix.rows * matrix.columns * type.size)
        matrix.forEachPiece(finished: finished) { piece, firstRow in
            nk_convert(
                piece.bytes, piece.type.kernel, piece.rows * piece.columns,
                UnsafeMutableRawPointer(storage.pointer) + firstRow * piece.columns * type.size, type.kernel, 0)
        }
        self.init(
            bytes: storage.pointer, type: type, rows: matrix.rows, columns: matrix.columns, owner: storage)
    }

    /// Copies `matrix` into memory of its own as float32, each row multiplied by its element of `scale`.
    public init(scaling matrix: StoredMatrix, rowsBy scale: [Float]) throws(Failure) {
        let storage = try AlignedStorage(count: matrix.rows * matrix.columns)
        nk_to_f32(matrix.bytes, matrix.type.kernel, matrix.rows * matrix.columns, storage.pointer)
        for (row, factor) in scale.prefix(matrix.rows).enumerated() {
            let values = storage.pointer + row * matrix.columns
            for column in 0..<matrix.columns { values[column] *= factor }
        }
        self.init(
            bytes: storage.pointer, type: .float32, rows: matrix.rows, columns: matrix.columns, owner: storage)
    }

    /// Copies rows `ranges` of `matrix`, one range after the other, into memory of its own; or, `transposing`, its columns
    /// `ranges` as rows.
    public init(
        gathering ranges: [Range<Int>], of matrix: StoredMatrix, transposing: Bool
    ) throws(Failure) {
        let (rows, columns) = (ranges.reduce(0) { $0 + $1.count }, transposing ? matrix.rows : matrix.columns)
        let storage = try AlignedStorage(bytes: rows * columns * matrix.type.size)
        let target = UnsafeMutableRawPointer(storage.pointer)
        func transpose<Element: BitwiseCopyable>(_: Element.Type) {
            let size = MemoryLayout<Element>.size
            var done = 0
            for range in ranges {
                // As many columns at a time as a cache line holds.
                for first in stride(from: range.lowerBound, to: range.upperBound, by: 64 / size) {
                    let count = min(64 / size, range.upperBound - first)
                    for index in 0..<columns {
                        let source = matrix.bytes + (index * matrix.columns + first) * size
                        for column in 0..<count {
                            target.storeBytes(
                                of: source.loadUnaligned(fromByteOffset: column * size, as: Element.self),
                                toByteOffset: ((done + column) * columns + index) * size, as: Element.self)
                        }
                    }
                    done += count
                }
            }
        }
        if transposing {
            if matrix.type.size == 4 { transpose(UInt32.self) } else { transpose(UInt16.self) }
        } else {
            let rowBytes = columns * matrix.type.size
            var row = 0
            for range in ranges {
                (target + row * rowBytes).copyMemory(
                    from: matrix.bytes + range.lowerBound * rowBytes, byteCount: range.count * rowBytes)
                row += range.count
            }
        }
        self.init(bytes: storage.pointer, type: matrix.type, rows: rows, columns: columns, owner: storage)
    }

    /// Rows `start ..< start + count`.
    public func rows(from start: Int, count: Int) -> StoredMatrix {
        StoredMatrix(
            bytes: bytes + start * columns * type.size, type: type, rows: count, columns: columns, owner: owner)
    }

    /// Hands the matrix over in pieces of about 4 MB, all but the last one whole panels high, each with the number of its
    /// first row. A mapped file's pages can so be given back before the next piece is read: `finished` says which bytes.
    func forEachPiece(finished: (Range<Int>) -> Void, _ body: (_ piece: StoredMatrix, _ firstRow: Int) -> Void) {
        let rowBytes = max(1, columns * type.size)
        let panels = max(1, (4 << 20) / rowBytes / Int(NK_PANEL))
        for first in stride(from: 0, to: rows, by: panels * Int(NK_PANEL)) {
            let count = min(panels * Int(NK_PANEL), rows - first)
            body(self.rows(from: first, count: count), first)
            finished(first * rowBytes..<(first + count) * rowBytes)
        }
    }
}
