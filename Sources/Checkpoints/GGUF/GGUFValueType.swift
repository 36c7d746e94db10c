import NestlingBasics

/// The types of values in the metadata of GGUF files, by their numbers there.
enum GGUFValueType: UInt32 {
    case uint8 = 0
    case int8 = 1
    case uint16 = 2
    case int16 = 3
    case uint32 = 4
    case int32 = 5
    case float32 = 6
    case bool = 7
    case string = 8
    case array = 9
    case uint64 = 10
    case int64 = 11
    case float64 = 12

    /// Bytes of a value; `nil`: that depends on it.
    var size: Int? {
        switch self {
        case .uint8, .int8, .bool: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .string, .array: nil
        }
    }

    /// The number or truth value at `offset` of `bytes`; `nil` for strings and arrays. Whole numbers that do not fit become
    /// floating-point ones; numbers of single precision get the decimal digits that they were written with.
    func scalar(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> JSON? {
        func load<Number: FixedWidthInteger>(_: Number.Type) -> Number {
            Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
        }
        switch self {
        case .uint8: return .integer(Int(load(UInt8.self)))
        case .int8: return .integer(Int(load(Int8.self)))
        case .uint16: return .integer(Int(load(UInt16.self)))
        case .int16: return .integer(Int(load(Int16.self)))
        case .uint32: return .integer(Int(load(UInt32.self)))
        case .int32: return .integer(Int(load(Int32.self)))
        case .uint64:
            let value = load(UInt64.self)
            return Int(exactly: value).map { .integer($0) } ?? .number(Double(value))
        case .int64: return .integer(Int(load(Int64.self)))
        case .float32:
            let value = Float(bitPattern: load(UInt32.self))
            return .number(Double(value.description) ?? Double(value))
        case .float64: return .number(Double(bitPattern: load(UInt64.self)))
        case .bool: return .bool(load(UInt8.self) != 0)
        case .string, .array: return nil
        }
    }
}

/// An array of the metadata, where it lies in the file.
struct GGUFArray: Sendable {
    /// The type of its elements; not an array.
    let type: GGUFValueType
    /// Number of elements.
    let count: Int
    /// The file.
    let file: FileBytes

    private let start: Int

    /// The `count` elements from byte `start` on, which have been passed over: they are all there.
    init(type: GGUFValueType, count: Int, file: FileBytes, start: Int) {
        self.type = type
        self.count = count
        self.file = file
        self.start = start
    }

    /// The number at `index`.
    subscript(index: Int) -> JSON? {
        guard let size = type.size, index >= 0, index < count else { return nil }
        return type.scalar(file.bytes, start + index * size)
    }

    /// Hands over the bytes of each string, in order; none if the elements are no strings.
    func forEachString(
        _ body: (_ index: Int, _ text: UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        guard type == .string else { return }
        var position = start
        for index in 0..<count {
            // Looked at before; but who maps a file cannot be sure of it.
            guard position <= file.bytes.count - 8 else { return }
            let length = UInt64(littleEndian: file.bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            guard length <= UInt64(file.bytes.count - position - 8) else { return }
            let text = position + 8..<position + 8 + Int(length)
            try body(index, UnsafeRawBufferPointer(rebasing: file.bytes[text]))
            position = text.upperBound
        }
    }
}
