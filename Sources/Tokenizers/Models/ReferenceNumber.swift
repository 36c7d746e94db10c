/// Numbers as the reference reads them from JSON.
///
/// Its parser (serde_json, without its feature `float_roundtrip`) divides the digits by a power of ten, which is often
/// off by one unit in the last place. Unigram scores tie exactly on repetitive texts, and then that unit decides.
enum ReferenceNumber {
    private static let powers: [Double] = (0...308).map { Double("1e\($0)") ?? .infinity }

    /// What the reference makes of the shortest decimal form of `value`, which is the one that files have.
    static func value(_ value: Double) -> Double {
        guard value.isFinite, value != 0 else { return value }
        var significand: UInt64 = 0
        var exponent = 0
        var isFraction = false
        var written = value.magnitude.description.utf8[...]
        while let byte = written.first, byte != 0x65 {
            written = written.dropFirst()
            if byte == 0x2E {
                isFraction = true
                continue
            }
            let (product, overflow) = significand.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(byte &- 0x30))
            if overflow || carry { return value }
            significand = sum
            if isFraction { exponent -= 1 }
        }
        if written.first == 0x65 {
            guard let power = Int(String(decoding: written.dropFirst(), as: UTF8.self)) else { return value }
            exponent += power
        }
        var result = Double(significand)
        if exponent < -308 {
            result /= powers[308]
            exponent += 308
        }
        guard exponent.magnitude <= 308 else { return value }
        result = exponent >= 0 ? result * powers[exponent] : result / powers[-exponent]
        return value < 0 ? -result : result
    }
}
