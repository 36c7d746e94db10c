extension JSONParser {
    /// Reads a string, whose opening quotation mark has been seen.
    mutating func string() throws(Failure) -> String {
        position += 1
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                let text = try validated(UnsafeRawBufferPointer(rebasing: bytes[start..<position]), start: start)
                position += 1
                return text
            }
            if byte == UInt8(ascii: "\\") { return try escapedString(start: start) }
            if byte < 0x20 { throw failure("expected control characters in strings to be escaped") }
            position += 1
        }
        throw failure("expected '\"' at the end of a string")
    }

    /// Reads on at the first backslash of a string that began at `start`.
    private mutating func escapedString(start: Int) throws(Failure) -> String {
        scratch.removeAll(keepingCapacity: true)
        scratch.append(contentsOf: bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                guard let text = String(validating: scratch, as: UTF8.self) else { throw invalidText(start: start) }
                position += 1
                return text
            }
            if byte < 0x20 { throw failure("expected control characters in strings to be escaped") }
            if byte == UInt8(ascii: "\\") {
                try escape()
            } else {
                scratch.append(byte)
                position += 1
            }
        }
        throw failure("expected '\"' at the end of a string")
    }

    /// Appends what the escape at `position` stands for.
    private mutating func escape() throws(Failure) {
        let start = position
        position += 1
        let plain: UInt8
        switch next {
        case UInt8(ascii: "\"")?: plain = UInt8(ascii: "\"")
        case UInt8(ascii: "\\")?: plain = UInt8(ascii: "\\")
        case UInt8(ascii: "/")?: plain = UInt8(ascii: "/")
        case UInt8(ascii: "b")?: plain = 0x08
        case UInt8(ascii: "f")?: plain = 0x0C
        case UInt8(ascii: "n")?: plain = 0x0A
        case UInt8(ascii: "r")?: plain = 0x0D
        case UInt8(ascii: "t")?: plain = 0x09
        case UInt8(ascii: "u")?:
            position += 1
            try unicodeEscape(start: start)
            return
        default: throw failure("expected one of \" \\ / b f n r t u after a backslash")
        }
        scratch.append(plain)
        position += 1
    }

    /// Appends the scalar of `\uXXXX` or of a surrogate pair; `position` is after the `u`.
    private mutating func unicodeEscape(start: Int) throws(Failure) {
        let first = try fourHexDigits()
        var value = UInt32(first)
        if (0xD800...0xDBFF).contains(first) {
            guard next == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u")
            else {
                position = start
                throw failure("expected the second half of a surrogate pair after the first", showsFound: false)
            }
            position += 2
            let second = try fourHexDigits()
            guard (0xDC00...0xDFFF).contains(second) else {
                position = start
                throw failure("expected the second half of a surrogate pair after the first", showsFound: false)
            }
            value = 0x10000 + (UInt32(first - 0xD800) << 10 | UInt32(second - 0xDC00))
        }
        guard let scalar = Unicode.Scalar(value) else {
            position = start
            throw failure("expected the first half of a surrogate pair before the second", showsFound: false)
        }
        for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { scratch.append(byte) }
    }

    private mutating func fourHexDigits() throws(Failure) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch next {
            case let byte? where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte): digit = byte - 0x30
            case let byte? where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte): digit = byte - 0x61 + 10
            case let byte? where (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte): digit = byte - 0x41 + 10
            default: throw failure("expected four hexadecimal digits after \\u")
            }
            value = value << 4 | UInt16(digit)
            position += 1
        }
        return value
    }

    private mutating func validated(_ raw: UnsafeRawBufferPointer, start: Int) throws(Failure) -> String {
        let text = raw.withMemoryRebound(to: UInt8.self) { String(validating: $0, as: UTF8.self) }
        guard let text else { throw invalidText(start: start) }
        return text
    }

    /// A failure at the first byte after `start` that is not UTF-8.
    private mutating func invalidText(start: Int) -> Failure {
        let end = position
        position = start
        while position < end {
            var decoder = UTF8()
            var rest = bytes[position..<end].makeIterator()
            guard case .scalarValue(let scalar) = decoder.decode(&rest) else { break }
            position += UTF8.width(scalar)
        }
        return failure("expected UTF-8")
    }
}
