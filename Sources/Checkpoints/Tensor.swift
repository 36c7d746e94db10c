public import NestlingBasics

/// One tensor where it lies in its file: row-major, little-endian, at any alignment.
public struct Tensor: @unchecked Sendable {
    /// Its name in the file.
    public let name: String
    /// Type of the elements.
    public let type: ElementType
    /// Its dimensions, outermost first; none for a scalar. Their product, zeros taken as ones, fits in `Int`.
    public let shape: [Int]
    /// Exactly the bytes of the elements. Valid as long as `file` lives.
    public let bytes: UnsafeRawBufferPointer
    /// The file that holds the bytes and keeps them valid.
    public let file: FileBytes
    /// Number of elements.
    public let elementCount: Int
    /// Where the bytes lie in the file, for ``FileBytes/discardPages(_:)``.
    public let range: Range<Int>
    /// The order in which the rows lie there; `nil`: one after the other.
    public let rowOrder: RowOrder?

    /// Describes `range` of `file`, which the reader of the file has checked.
    init(
        name: String, type: ElementType, shape: [Int], elementCount: Int, range: Range<Int>, file: FileBytes,
        rowOrder: RowOrder? = nil
    ) {
        self.name = name
        self.type = type
        self.shape = shape
        self.elementCount = elementCount
        self.range = range
        self.file = file
        self.rowOrder = rowOrder
        bytes = UnsafeRawBufferPointer(rebasing: file.bytes[range])
    }

    /// The tensor of the same name and shape, all of whose bytes are those of `file`, in plain order.
    /// - Throws: `.internal` if there are not as many as `type` needs.
    public init(_ tensor: Tensor, as type: ElementType, in file: FileBytes) throws(Failure) {
        guard type.byteCount(of: tensor.elementCount) == file.bytes.count else {
            throw Failure(.internal, "\(file.name): \(file.bytes.count) bytes for tensor \(tensor.name.quoted)")
        }
        self.init(
            name: tensor.name, type: type, shape: tensor.shape, elementCount: tensor.elementCount,
            range: 0..<file.bytes.count, file: file)
    }

    /// Gives the memory of a mapped file's pages that lie inside this tensor back to the system.
    public func discardPages() { file.discardPages(range) }

    /// The same for `part` of the tensor's bytes.
    public func discardPages(_ part: Range<Int>) {
        file.discardPages(range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
    }
}

/// An order of rows in a file: in each head of `size` rows, those of a rotary pair, `j` and `j + size / 2`, lie next to each other.
public struct RowOrder: Sendable, Equatable {
    /// Rows of a head; even.
    public let size: Int

    /// Where row `row` lies.
    public func place(of row: Int) -> Int {
        let (first, inside, half) = (row / size * size, row % size, size / 2)
        return first + inside % half * 2 + inside / half
    }
}
