import NestlingBasics

/// Walks over the fields of one protocol buffer message, as written on the wire.
/// Source: Protocol Buffers documentation, "Encoding".
///
/// Every length is compared with what is left before it is used, and nothing is allocated by a number from the file.
struct WireReader {
    /// What a field holds.
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(UnsafeRawBufferPointer)
        case fixed32(UInt32)

        fileprivate var kind: String {
            switch self {
            case .varint: "a varint"
            case .fixed64: "eight bytes"
            case .bytes: "a run of bytes"
            case .fixed32: "four bytes"
            }
        }
    }

    /// One field: its number and its value.
    struct Field {
        let number: UInt64
        let value: Value
    }

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    /// The file and the fields that lead to this message.
    let path: String

    init(_ bytes: UnsafeRawBufferPointer, path: String) {
        self.bytes = bytes
        self.path = path
    }

    private func failure(_ message: String) -> Failure { Failure(.corrupt, "\(path): \(message)") }

    /// The next field, or nil at the end of the message.
    mutating func next() throws(Failure) -> Field? {
        if position == bytes.count { return nil }
        let start = position
        let tag = try varint()
        let number = tag >> 3
        guard number >= 1, number < 1 << 29 else {
            throw failure("byte \(start) of the message begins a field with the number \(number)")
        }
        let value: Value
        switch tag & 7 {
        case 0: value = .varint(try varint())
        case 1: value = .fixed64(try fixed(8, number))
        case 2: value = .bytes(try run(number))
        case 3, 4: throw failure("field \(number) is a group, which these files do not have")
        case 5: value = .fixed32(UInt32(truncatingIfNeeded: try fixed(4, number)))
        default: throw failure("field \(number) has the wire type \(tag & 7), which does not exist")
        }
        return Field(number: number, value: value)
    }

    private mutating func varint() throws(Failure) -> UInt64 {
        let start = position
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard position < bytes.count else { throw failure("the number at byte \(start) is cut short") }
            let byte = bytes[position]
            position += 1
            let bits = UInt64(byte & 0x7F)
            guard shift < 63 || bits <= 1 else { throw failure("the number at byte \(start) has more than 64 bits") }
            value |= bits << shift
            if byte < 0x80 { return value }
            shift += 7
            guard shift <= 63 else { throw failure("the number at byte \(start) has more than 64 bits") }
        }
    }

    private mutating func fixed(_ count: Int, _ number: UInt64) throws(Failure) -> UInt64 {
        guard count <= bytes.count - position else { throw failure("field \(number) is cut short") }
        var value: UInt64 = 0
        for offset in 0..<count { value |= UInt64(bytes[position + offset]) << UInt64(8 * offset) }
        position += count
        return value
    }

    private mutating func run(_ number: UInt64) throws(Failure) -> UnsafeRawBufferPointer {
        let length = try varint()
        let left = bytes.count - position
        guard length <= UInt64(left) else {
            throw failure("field \(number) says that it has \(length) bytes, but \(left) are left")
        }
        let end = position + Int(length)
        defer { position = end }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<end])
    }

    // MARK: - Values of a known type

    private func mismatch(_ name: String, _ expected: String, _ value: Value) -> Failure {
        failure("\(name) is \(value.kind), expected \(expected)")
    }

    /// The value of a field that holds a message.
    func message(_ field: Field, _ name: String) throws(Failure) -> WireReader {
        guard case .bytes(let bytes) = field.value else { throw mismatch(name, "a message", field.value) }
        return WireReader(bytes, path: "\(path): \(name)")
    }

    /// The value of a field that holds bytes.
    func bytes(_ field: Field, _ name: String) throws(Failure) -> UnsafeRawBufferPointer {
        guard case .bytes(let bytes) = field.value else { throw mismatch(name, "a run of bytes", field.value) }
        return bytes
    }

    /// The value of a field that holds text.
    func text(_ field: Field, _ name: String) throws(Failure) -> [UInt8] {
        let text = Array(try bytes(field, name))
        if let position = text.withUnsafeBufferPointer({ UTF8Text.firstInvalidByte($0) }) {
            throw failure("byte \(position) of \(name) is not UTF-8")
        }
        return text
    }

    /// The value of a field that holds a truth value.
    func bool(_ field: Field, _ name: String) throws(Failure) -> Bool {
        guard case .varint(let value) = field.value else { throw mismatch(name, "a truth value", field.value) }
        return value != 0
    }

    /// The value of a field that holds a whole number. As in every reader of the format, only the low 32 bits count.
    func int32(_ field: Field, _ name: String) throws(Failure) -> Int32 {
        guard case .varint(let value) = field.value else { throw mismatch(name, "a whole number", field.value) }
        return Int32(truncatingIfNeeded: value)
    }

    /// The value of a field that holds a number.
    func float(_ field: Field, _ name: String) throws(Failure) -> Float {
        guard case .fixed32(let value) = field.value else {
            throw mismatch(name, "a number of four bytes", field.value)
        }
        return Float(bitPattern: value)
    }
}
