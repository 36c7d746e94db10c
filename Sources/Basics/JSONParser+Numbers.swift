extension JSONParser {
    /// Powers of ten that doubles hold exactly.
    private static let exactPowers: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    /// Reads a number, whose first byte has been seen.
    mutating func number() throws(Failure) -> JSON {
        let start = position
        let isNegative = bytes[position] == UInt8(ascii: "-")
        if isNegative {
            position += 1
            if next == UInt8(ascii: "I") {
                try literal("Infinity")
                return .number(-.infinity)
            }
        }
        // All digits as one whole number, as long as it fits, and how many of them stand behind the point.
        var digits: UInt64 = 0
        var digitsFit = true
        let whole = try digitRun(into: &digits, fits: &digitsFit)
        if whole > 1, bytes[position - whole] == UInt8(ascii: "0") {
            position -= whole - 1
            throw failure("expected no digit after a leading zero")
        }
        var scale = 0
        var isWhole = true
        if next == UInt8(ascii: ".") {
            position += 1
            isWhole = false
            scale = try digitRun(into: &digits, fits: &digitsFit)
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            position += 1
            isWhole = false
            var isNegativeExponent = false
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") {
                isNegativeExponent = next == UInt8(ascii: "-")
                position += 1
            }
            var exponent: UInt64 = 0
            var exponentFits = true
            _ = try digitRun(into: &exponent, fits: &exponentFits)
            if exponentFits, exponent <= 1000 {
                scale += isNegativeExponent ? Int(exponent) : -Int(exponent)
            } else {
                digitsFit = false
            }
        }
        if isWhole, digitsFit {
            if !isNegative, let value = Int(exactly: digits) { return .integer(value) }
            if isNegative, digits <= UInt64(Int.max) + 1 { return .integer(Int(truncatingIfNeeded: 0 &- digits)) }
        }
        if digitsFit, digits <= 1 << 53, scale.magnitude <= 22 {
            // Both operands are exact, so that the one rounding is the correct one.
            let power = Self.exactPowers[Int(scale.magnitude)]
            let value = scale > 0 ? Double(digits) / power : Double(digits) * power
            return .number(isNegative ? -value : value)
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let value = Double(text) else {
            position = start
            throw failure("expected a number")
        }
        return .number(value)
    }

    /// Steps over at least one digit and appends them to the decimal number `value`; `fits` falls when it overflows.
    private mutating func digitRun(into value: inout UInt64, fits: inout Bool) throws(Failure) -> Int {
        let start = position
        while position < bytes.count {
            let digit = bytes[position] &- 0x30
            if digit > 9 { break }
            let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(UInt64(digit))
            if overflowed || carried { fits = false }
            value = sum
            position += 1
        }
        if position == start { throw failure("expected a digit") }
        return position - start
    }
}
