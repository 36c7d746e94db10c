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
    public init(converting matrix: StoredMatrix, to type: StoredType) throws(Failure) {
        let storage = try AlignedStorage(bytes: matrix.rows * matrix.columns * type.size)
        nk_convert(
            matrix.bytes, matrix.type.kernel, matrix.rows * matrix.columns, storage.pointer, type.kernel, 0)
        self.init(
            bytes: storage.pointer, type: type, rows: matrix.rows, columns: matrix.columns, owner: storage)
    }

    /// Rows `start ..< start + count`.
    public func rows(from start: Int, count: Int) -> StoredMatrix {
        StoredMatrix(
            bytes: bytes + start * columns * type.size, type: type, rows: count, columns: columns, owner: owner)
    }
}
