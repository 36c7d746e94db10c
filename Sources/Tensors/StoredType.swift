public import NestlingBasics
public import NestlingKernels

/// The types in which checkpoints store weights: floating-point numbers, and the blocks of ggml, which can only be read.
public enum StoredType: Sendable {
    /// IEEE 754 single precision.
    case float32
    /// IEEE 754 half precision.
    case float16
    /// The upper half of a single-precision number.
    case bfloat16
    /// Blocks of ggml with 4, 5 and 8 bits for a weight (`blocks.c`); those of `K` are 256 weights long, the others 32.
    case q4_0, q4_1, q5_0, q5_1, q8_0, q4_K, q5_K, q6_K
    /// Blocks of ggml with fewer than 5 bits: those of `K`, `xs` and `tq` are 256 weights long, the others 32.
    case q2_K, q3_K, iq4_nl, iq4_xs, mxfp4, tq1_0, tq2_0

    /// Whether elements are numbers for themselves, and no parts of blocks.
    public var isPlain: Bool { blockElements == 1 }

    /// Elements of a block, of which a row has whole ones; 1 for floating-point numbers.
    public var blockElements: Int { nk_dtype_block(kernel) }

    /// Bytes of `count` elements, whole blocks.
    public func bytes(_ count: Int) -> Int { nk_dtype_bytes(kernel, count) }

    /// The same type, as the kernels name it.
    public var kernel: nk_dtype {
        switch self {
        case .float32: NK_F32
        case .float16: NK_F16
        case .bfloat16: NK_BF16
        case .q4_0: NK_Q4_0
        case .q4_1: NK_Q4_1
        case .q5_0: NK_Q5_0
        case .q5_1: NK_Q5_1
        case .q8_0: NK_Q8_0
        case .q4_K: NK_Q4_K
        case .q5_K: NK_Q5_K
        case .q6_K: NK_Q6_K
        case .q2_K: NK_Q2_K
        case .q3_K: NK_Q3_K
        case .iq4_nl: NK_IQ4_NL
        case .iq4_xs: NK_IQ4_XS
        case .mxfp4: NK_MXFP4
        case .tq1_0: NK_TQ1_0
        case .tq2_0: NK_TQ2_0
        }
    }
}

/// A weight matrix where it lies in a file: `[rows, columns]`, row-major, at any alignment. Rows are whole blocks.
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
    /// Bytes of all elements.
    public var byteCount: Int { type.bytes(rows * columns) }

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
        let storage = try AlignedStorage(bytes: type.bytes(matrix.rows * matrix.columns))
        matrix.forEachPiece(finished: finished) { piece, firstRow in
            nk_convert(
                piece.bytes, piece.type.kernel, piece.rows * piece.columns,
                UnsafeMutableRawPointer(storage.pointer) + type.bytes(firstRow * piece.columns), type.kernel, 0)
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
        guard matrix.type.isPlain || !transposing else {
            throw Failure(.unsupported, "weights in blocks cannot be transposed")
        }
        let (rows, columns) = (ranges.reduce(0) { $0 + $1.count }, transposing ? matrix.rows : matrix.columns)
        let storage = try AlignedStorage(bytes: matrix.type.bytes(rows * columns))
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
            if matrix.type == .float32 { transpose(UInt32.self) } else { transpose(UInt16.self) }
        } else {
            let rowBytes = matrix.type.bytes(columns)
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
            bytes: bytes + type.bytes(start * columns), type: type, rows: count, columns: columns, owner: owner)
    }

    /// Hands the matrix over in pieces of about 4 MB, all but the last one whole panels high, each with the number of its
    /// first row. A mapped file's pages can so be given back before the next piece is read: `finished` says which bytes.
    func forEachPiece(finished: (Range<Int>) -> Void, _ body: (_ piece: StoredMatrix, _ firstRow: Int) -> Void) {
        let rowBytes = max(1, type.bytes(columns))
        let panels = max(1, (4 << 20) / rowBytes / Int(NK_PANEL))
        for first in stride(from: 0, to: rows, by: panels * Int(NK_PANEL)) {
            let count = min(panels * Int(NK_PANEL), rows - first)
            body(self.rows(from: first, count: count), first)
            finished(first * rowBytes..<(first + count) * rowBytes)
        }
    }
}
