import NestlingBasics

/// Reads the header of a GGUF file from its beginning on: little-endian numbers, and strings with their length before them.
/// Every read is checked against the end of the file.
struct GGUFReader {
    /// The file's name, for messages.
    let name: String
    /// The first byte that was not read.
    private(set) var position = 0

    private let bytes: UnsafeRawBufferPointer

    init(_ file: FileBytes) {
        name = file.name
        bytes = file.bytes
    }

    /// The next number; `what` says what it is.
    mutating func number<Number: FixedWidthInteger>(
        _: Number.Type, _ what: @autoclosure () -> String
    ) throws(Failure) -> Number {
        let start = try skip(MemoryLayout<Number>.size, what()).lowerBound
        return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: Number.self))
    }

    /// The next number of 64 bits, which is a size.
    mutating func size(_ what: @autoclosure () -> String) throws(Failure) -> Int {
        let value = try number(UInt64.self, what())
        guard let size = Int(exactly: value) else {
            throw Failure(.corrupt, "\(name): \(what()) is \(value), which is more than any file holds")
        }
        return size
    }

    /// Where the bytes of the next string lie.
    mutating func text(_ what: @autoclosure () -> String) throws(Failure) -> Range<Int> {
        let count = try size("the length of \(what())")
        return try skip(count, what())
    }

    /// The next string, which must be UTF-8 without control characters: a name.
    mutating func identifier(_ what: @autoclosure () -> String) throws(Failure) -> String {
        let range = try text(what())
        guard range.count <= 65535, let string = String(validating: bytes[range], as: UTF8.self),
            !string.isEmpty, string.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else {
            throw Failure(
                .corrupt,
                "\(name): \(what()) is no name: it must be 1 to 65535 bytes of UTF-8 without control characters")
        }
        return string
    }

    /// Passes over `count` bytes, and says where they lie.
    @discardableResult
    mutating func skip(_ count: Int, _ what: @autoclosure () -> String) throws(Failure) -> Range<Int> {
        guard count >= 0, count <= bytes.count - position else {
            throw Failure(
                .corrupt,
                "\(name): ends at byte \(bytes.count), inside of \(what()), which takes \(count) bytes from \(position) on"
            )
        }
        defer { position += count }
        return position..<position + count
    }
}
