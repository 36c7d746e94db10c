extension JSON {
    /// Reads one JSON text (RFC 8259, UTF-8 without a byte order mark) and nothing after it.
    ///
    /// Beyond the standard, `NaN`, `Infinity` and `-Infinity` are accepted, because Python's `json` writes them.
    /// Duplicate keys and lone surrogates are refused. Whole numbers that do not fit in 64 bits become the nearest
    /// double.
    ///
    /// - Parameters:
    ///   - bytes: the text; only read during the call.
    ///   - name: what messages call it, usually the file's name.
    ///   - maximumDepth: how deep arrays and objects may nest; at most 256. The default takes less than
    ///     96 KiB of stack in release builds.
    /// - Throws: `.corrupt`, with `name`, line, column (in bytes) and what was expected.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, name: String, maximumDepth: Int = 128
    ) throws(Failure) -> JSON {
        var parser = JSONParser(bytes: bytes, name: name, maximumDepth: min(maximumDepth, 256))
        return try parser.document()
    }

    /// Reads the JSON text in `text`; see the other `parse`.
    public static func parse(_ text: String, name: String, maximumDepth: Int = 128) throws(Failure) -> JSON {
        let bytes = Array(text.utf8)
        let result = bytes.withUnsafeBytes { buffer -> Result<JSON, Failure> in
            do throws(Failure) {
                return .success(try parse(buffer, name: name, maximumDepth: maximumDepth))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

/// A recursive-descent parser over bytes. `position` never passes `bytes.count`; every read is guarded by it.
struct JSONParser {
    let bytes: UnsafeRawBufferPointer
    let name: String
    let maximumDepth: Int
    var position = 0
    /// Where strings with escapes are put together; kept to allocate once.
    var scratch: [UInt8] = []

    init(bytes: UnsafeRawBufferPointer, name: String, maximumDepth: Int) {
        self.bytes = bytes
        self.name = name
        self.maximumDepth = maximumDepth
    }

    mutating func document() throws(Failure) -> JSON {
        skipSpace()
        let result = try value(depth: 0)
        skipSpace()
        if position < bytes.count { throw failure("expected the end of the text") }
        return result
    }

    /// The byte at `position`, or `nil` at the end.
    @inline(__always)
    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    @inline(__always)
    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func value(depth: Int) throws(Failure) -> JSON {
        switch next {
        case UInt8(ascii: "\"")?:
            return .string(try string())
        case UInt8(ascii: "{")?:
            return .object(try object(depth: depth + 1))
        case UInt8(ascii: "[")?:
            return .array(try array(depth: depth + 1))
        case (UInt8(ascii: "0")...UInt8(ascii: "9"))?, UInt8(ascii: "-")?:
            return try number()
        case UInt8(ascii: "t")?:
            try literal("true")
            return .bool(true)
        case UInt8(ascii: "f")?:
            try literal("false")
            return .bool(false)
        case UInt8(ascii: "n")?:
            try literal("null")
            return .null
        case UInt8(ascii: "N")?:
            try literal("NaN")
            return .number(.nan)
        case UInt8(ascii: "I")?:
            try literal("Infinity")
            return .number(.infinity)
        default:
            throw failure("expected a value")
        }
    }

    private mutating func array(depth: Int) throws(Failure) -> [JSON] {
        if depth > maximumDepth { throw tooDeep() }
        position += 1
        var elements: [JSON] = []
        skipSpace()
        if next == UInt8(ascii: "]") {
            position += 1
            return elements
        }
        while true {
            elements.append(try value(depth: depth))
            skipSpace()
            switch next {
            case UInt8(ascii: ",")?:
                position += 1
                skipSpace()
            case UInt8(ascii: "]")?:
                position += 1
                return elements
            default:
                throw failure("expected ',' or ']' after an element")
            }
        }
    }

    private mutating func object(depth: Int) throws(Failure) -> JSONObject {
        if depth > maximumDepth { throw tooDeep() }
        position += 1
        var object = JSONObject()
        skipSpace()
        if next == UInt8(ascii: "}") {
            position += 1
            return object
        }
        while true {
            guard next == UInt8(ascii: "\"") else { throw failure("expected a key in quotation marks") }
            let start = position
            let key = try string()
            if object.contains(key) {
                position = start
                throw failure("expected each key once; \(key.quoted) is there twice", showsFound: false)
            }
            skipSpace()
            guard next == UInt8(ascii: ":") else { throw failure("expected ':' after a key") }
            position += 1
            skipSpace()
            object.append(key, try value(depth: depth))
            skipSpace()
            switch next {
            case UInt8(ascii: ",")?:
                position += 1
                skipSpace()
            case UInt8(ascii: "}")?:
                position += 1
                return object
            default:
                throw failure("expected ',' or '}' after a member")
            }
        }
    }

    /// Steps over `word`, whose first byte has been seen.
    mutating func literal(_ word: StaticString) throws(Failure) {
        let start = position
        let count = word.utf8CodeUnitCount
        if count <= bytes.count - position {
            var matches = true
            for offset in 0..<count where bytes[position + offset] != word.utf8Start[offset] { matches = false }
            if matches {
                position += count
                return
            }
        }
        position = start
        throw failure("expected \(word)", showsFound: false)
    }

    private func tooDeep() -> Failure {
        failure("expected at most \(maximumDepth) nested arrays and objects", showsFound: false)
    }

    /// A failure at `position`.
    func failure(_ expectation: String, showsFound: Bool = true) -> Failure {
        var line = 1
        var lineStart = 0
        for offset in 0..<min(position, bytes.count) where bytes[offset] == 0x0A {
            line += 1
            lineStart = offset + 1
        }
        var message = "\(name): line \(line), column \(position - lineStart + 1) (byte \(position)): \(expectation)"
        if showsFound {
            if let found = next {
                let isVisible = (0x21...0x7E).contains(found)
                message += ", found "
                message += isVisible ? "'\(Character(Unicode.Scalar(found)))'" : "byte 0x" + String(found, radix: 16)
            } else {
                message += ", found the end of the text"
            }
        }
        return Failure(.corrupt, message)
    }
}
