extension JSON {
    /// The value as JSON text, members in order, in UTF-8 without needless escapes.
    ///
    /// Numbers look as Python writes them: the fewest digits that read back as the same double, `1e-05`, `1e+16`, and
    /// `NaN` and `Infinity`, which Python reads. `pretty` is Python's `indent=2`; otherwise there is no white space.
    public func serialized(pretty: Bool = false) -> String {
        var serializer = JSONSerializer(isPretty: pretty)
        serializer.write(self, depth: 0)
        return String(decoding: serializer.output, as: UTF8.self)
    }
}

private struct JSONSerializer {
    let isPretty: Bool
    var output: [UInt8] = []

    init(isPretty: Bool) { self.isPretty = isPretty }

    mutating func write(_ value: JSON, depth: Int) {
        switch value {
        case .null: write("null")
        case .bool(let value): write(value ? "true" : "false")
        case .integer(let value): write(String(value))
        case .number(let value): write(Self.pythonDescription(of: value))
        case .string(let value): write(quoted: value)
        case .array(let elements):
            if elements.isEmpty { return write("[]") }
            output.append(UInt8(ascii: "["))
            for (position, element) in elements.enumerated() {
                separate(isFirst: position == 0, depth: depth + 1)
                write(element, depth: depth + 1)
            }
            breakLine(depth: depth)
            output.append(UInt8(ascii: "]"))
        case .object(let object):
            if object.count == 0 { return write("{}") }
            output.append(UInt8(ascii: "{"))
            for (position, member) in object.members.enumerated() {
                separate(isFirst: position == 0, depth: depth + 1)
                write(quoted: member.key)
                write(isPretty ? ": " : ":")
                write(member.value, depth: depth + 1)
            }
            breakLine(depth: depth)
            output.append(UInt8(ascii: "}"))
        }
    }

    private mutating func write(_ text: String) { output.append(contentsOf: text.utf8) }

    private mutating func separate(isFirst: Bool, depth: Int) {
        if !isFirst { output.append(UInt8(ascii: ",")) }
        breakLine(depth: depth)
    }

    private mutating func breakLine(depth: Int) {
        guard isPretty else { return }
        output.append(0x0A)
        output.append(contentsOf: repeatElement(0x20, count: depth * 2))
    }

    private mutating func write(quoted text: String) {
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): write("\\\"")
            case UInt8(ascii: "\\"): write("\\\\")
            case 0x08: write("\\b")
            case 0x09: write("\\t")
            case 0x0A: write("\\n")
            case 0x0C: write("\\f")
            case 0x0D: write("\\r")
            case 0x00..<0x20:
                write(byte < 0x10 ? "\\u000" : "\\u00")
                write(String(byte, radix: 16))
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    /// As Python's `repr`: scientific below 1e-4 and from 1e16 on. Swift's own switches over at other places.
    private static func pythonDescription(of value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
        // Swift's shortest digits, without point and exponent; the value is 0.digits x 10^pointPosition.
        var digits: [UInt8] = []
        var pointPosition = 0
        var hasPoint = false
        var text = value.magnitude.description.utf8[...]
        while let byte = text.first, byte != UInt8(ascii: "e") {
            text = text.dropFirst()
            if byte == UInt8(ascii: ".") {
                hasPoint = true
            } else {
                digits.append(byte)
                if !hasPoint { pointPosition += 1 }
            }
        }
        if !text.isEmpty { pointPosition += Int(String(decoding: text.dropFirst(), as: UTF8.self)) ?? 0 }
        let zeros = digits.prefix { $0 == UInt8(ascii: "0") }.count
        digits.removeFirst(zeros)
        pointPosition -= zeros
        while digits.count > 1, digits.last == UInt8(ascii: "0") { digits.removeLast() }

        let sign = value < 0 ? "-" : ""
        let significand = String(decoding: digits, as: UTF8.self)
        let exponent = pointPosition - 1
        if exponent < -4 || exponent >= 16 {
            let fraction = significand.dropFirst()
            let magnitude = String(exponent.magnitude)
            return sign + significand.prefix(1) + (fraction.isEmpty ? "" : "." + fraction)
                + (exponent < 0 ? "e-" : "e+")
                + (magnitude.utf8.count < 2 ? "0" : "") + magnitude
        }
        if pointPosition <= 0 { return sign + "0." + String(repeating: "0", count: -pointPosition) + significand }
        if digits.count <= pointPosition {
            return sign + significand + String(repeating: "0", count: pointPosition - digits.count) + ".0"
        }
        return sign + significand.prefix(pointPosition) + "." + significand.dropFirst(pointPosition)
    }
}
