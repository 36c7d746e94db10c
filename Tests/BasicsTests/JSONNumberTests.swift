import NestlingBasics
import Testing

struct JSONNumberTests {
    @Test(arguments: [
        ("0", 0), ("-0", 0), ("7", 7), ("-12", -12), ("9223372036854775807", Int.max),
        ("-9223372036854775808", Int.min),
        ("1000000000000000000", 1_000_000_000_000_000_000),
    ])
    func readsWholeNumbers(text: String, expected: Int) {
        #expect(parse(text) == .success(.integer(expected)))
    }

    @Test(arguments: [
        "0.0", "-0.0", "1.0", "0.1", "-0.1", "1e0", "1E5", "1e+5", "1e-5", "1.5e300", "5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324", "1.7976931348623157e308", "2.2250738585072011e-308", "2.2250738585072014e-308",
        "9007199254740993.0", "9007199254740992.5", "9223372036854775808", "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616", "123456789012345678901234567890", "0.30000000000000004", "1e22", "1e23", "8.5e22",
        "123456789.123456789e-10", "1e400", "-1e400", "1e-400", "0e99999999999999999999", "1e99999999999999999999",
        "1e-99999999999999999999", "0.000000000000000000000000000000000001", "6.02214076e23",
        "3.141592653589793238462643383",
        "179769313486231580793728971405301e276", "100000000000000000000000000000000000000000e-40",
    ])
    func readsTheNearestDouble(text: String) throws {
        let value = try #require(try parse(text).get().double)
        let expected = try #require(Double(text))
        #expect(value.bitPattern == expected.bitPattern)
    }

    @Test func readsVeryLongNumbers() throws {
        let digits = String(repeating: "1", count: 100_000)
        #expect(try parse(digits).get().double == .infinity)
        let fraction = try #require(try parse("0." + digits).get().double)
        #expect(fraction == 1.0 / 9.0)
    }

    @Test(arguments: [
        "-", "+1", "01", "-01", "00", "1.", "-1.", ".5", "-.5", "1.e5", "1e", "1e+", "1e-", "1e1.5", "0x10", "1_000",
        "1,5",
        "--1", "1-", "1e5e5", "1.2.3", "0b1", "1f", "٣", "-a", "1e٣",
    ])
    func refusesWhatIsNoNumber(text: String) {
        #expect(throws: Failure.self) { try parse(text).get() }
    }

    /// Random doubles in every magnitude survive writing and reading bit for bit.
    @Test func roundTripsDoubles() throws {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        for _ in 0..<20_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let value = Double(bitPattern: state ^ state >> 29)
            guard value.isFinite else { continue }
            let text = JSON.number(value).serialized()
            let read = try parse(text).get()
            guard case .number(let again) = read else {
                #expect(Bool(false), "\(text) was read as a whole number")
                continue
            }
            #expect(again.bitPattern == value.bitPattern, "\(text)")
        }
    }

    /// What Python 3.11 prints with `json.dumps`.
    private static let written: [(value: Double, expected: String)] = [
        (0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (-1.5, "-1.5"), (0.1, "0.1"), (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (0.000123, "0.000123"), (1e15, "1000000000000000.0"), (1e16, "1e+16"), (9.1e15, "9100000000000000.0"),
        (9_007_199_254_740_992, "9007199254740992.0"), (1.5e16, "1.5e+16"), (1e22, "1e+22"), (1e100, "1e+100"),
        (1e-100, "1e-100"), (.leastNonzeroMagnitude, "5e-324"), (.greatestFiniteMagnitude, "1.7976931348623157e+308"),
        (123_456.789, "123456.789"), (100, "100.0"), (0.30000000000000004, "0.30000000000000004"), (1e-12, "1e-12"),
        (.infinity, "Infinity"), (-.infinity, "-Infinity"), (.nan, "NaN"),
        (1_234_567_890_123_456, "1234567890123456.0"),
    ]

    @Test(arguments: written)
    func writesDoublesAsPython(value: Double, expected: String) {
        #expect(JSON.number(value).serialized() == expected)
    }
}
