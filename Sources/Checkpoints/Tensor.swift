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

    /// Describes `range` of `file`, which the reader of the file has checked.
    init(name: String, type: ElementType, shape: [Int], elementCount: Int, range: Range<Int>, file: FileBytes) {
        self.name = name
        self.type = type
        self.shape = shape
        self.elementCount = elementCount
        self.range = range
        self.file = file
        bytes = UnsafeRawBufferPointer(rebasing: file.bytes[range])
    }

    /// Gives the memory of a mapped file's pages that lie inside this tensor back to the system.
    public func discardPages() { file.discardPages(range) }

    /// The same for `part` of the tensor's bytes.
    public func discardPages(_ part: Range<Int>) {
        file.discardPages(range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
    }
}
