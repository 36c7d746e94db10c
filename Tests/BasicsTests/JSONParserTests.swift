import NestlingBasics
import Testing

/// What the parser says about `text`: the value, or the failure.
func parse(_ text: String, maximumDepth: Int = 128) -> Result<JSON, Failure> {
    parse(Array(text.utf8), maximumDepth: maximumDepth)
}

/// What the parser says about `bytes`.
func parse(_ bytes: [UInt8], maximumDepth: Int = 128) -> Result<JSON, Failure> {
    bytes.withUnsafeBytes { buffer in
        do throws(Failure) {
            return .success(try JSON.parse(buffer, name: "test.json", maximumDepth: maximumDepth))
        } catch {
            return .failure(error)
        }
    }
}

struct JSONParserTests {
    private static let accepted: [(text: String, expected: JSON)] = [
        ("null", JSON.null), (" true ", true), ("\tfalse\r\n", false), ("0", 0), ("-1", -1), ("[]", []), ("{}", [:]),
        ("[ ]", []), ("{ }", [:]), ("[[]]", [[]]), ("[1,2, 3]", [1, 2, 3]), ("[null]", [nil]), (#""""#, ""),
        (#"{"a":{"b":[true,null]}}"#, ["a": ["b": [true, nil]]]), (#"{"":0}"#, ["": 0]), (#""a/b""#, "a/b"),
        (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"), (#""\u0041\u00e9\u20AC""#, "Aé€"), (#""\u0000""#, "\u{0}"),
        (#""\ud83d\ude00""#, "😀"), (#""\uD834\uDD1E x""#, "𝄞 x"), (#""\uDBFF\uDFFF""#, "\u{10FFFF}"), ("\"é😀\"", "é😀"),
        ("\"\u{7F}\"", "\u{7F}"), (#""\uFFFF""#, "\u{FFFF}"), ("\"\u{2028}\"", "\u{2028}"),
        ("Infinity", .number(.infinity)),
        ("-Infinity", .number(-.infinity)), ("[1,\n2]", [1, 2]), (#"{"a":1,"b":2}"#, ["a": 1, "b": 2]),
    ]

    @Test(arguments: accepted)
    func acceptsJSON(text: String, expected: JSON) {
        #expect(parse(text) == .success(expected))
    }

    @Test func acceptsNaNAsPythonWritesIt() throws {
        #expect(try parse("[NaN]").get().array?.first?.double?.isNaN == true)
    }

    @Test(arguments: [
        "", " ", "nul", "nulll", "True", "tru", "truE", "[", "]", "{", "}", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1 2]",
        "[1,,2]", "[1}", "{1:2}", "{a:1}", "{'a':1}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{"a":1,,"b":2}"#,
        #"{"a" 1}"#,
        #"{"a":1 "b":2}"#, #"{"a":1]"#, #"{"a":1"#, #"{"a"#, #"{:1}"#, "1 2", "[] []", "[]x", "\"", "\"a", #""\"#,
        #""\""#,
        #""\x""#, #""\a""#, #""\u""#, #""\u12""#, #""\u12G4""#, #""\u 123""#, #""\U0041""#, #""\ud83d""#, #""\ud83dx""#,
        #""\ud83d\n""#, #""\ud83d\u0041""#, #""\ud83d\ud83d""#, #""\ude00""#, #""\ude00\ud83d""#, "\"a\nb\"", "\"\t\"",
        "\"\u{0}\"", "\u{FEFF}[]", "[1]//x", "/**/1", "nan", "-NaN", "+Infinity", "-Infinit", "Inf", "Na", "N", "I",
        "-I",
        "'a'", "\u{A0}1", "\u{C}1", "[\u{B}1]", "undefined", "*", "\u{0}", "[1]\u{0}", "{[]:1}", "{null:1}", "[1:2]",
        #"["a":1]"#, #"{"a","b"}"#, #"{"a":1,"a":2}"#, #"{"a":{"b":1,"b":1}}"#, #"{"a":1,"\u0061":2}"#,
        #"{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"9":9}"#,
        #"{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"10":9,"3":9}"#,
    ])
    func refusesWhatIsNotJSON(text: String) {
        guard case .failure(let failure) = parse(text) else { return #expect(Bool(false), "accepted \(text)") }
        #expect(failure.kind == .corrupt)
        #expect(failure.message.hasPrefix("test.json: line "))
        #expect(failure.message.contains("expected"))
    }

    @Test(
        arguments: [
            [0x22, 0x80, 0x22], [0x22, 0xC3, 0x22], [0x22, 0xC0, 0xAF, 0x22], [0x22, 0xE0, 0x80, 0xAF, 0x22],
            [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0xFF, 0x22],
            [0x22, 0xE2, 0x82, 0x22],
            [0x22, 0xF0, 0x9F, 0x98, 0x22], [0x22, 0x5C, 0x6E, 0x80, 0x22], [0x22, 0xC3, 0x5C, 0x6E, 0x22],
            [0x7B, 0x22, 0xFE, 0x22, 0x3A, 0x31, 0x7D], [0xFF, 0xFE, 0x5B, 0x00], [0xEF, 0xBB, 0xBF, 0x31],
        ] as [[UInt8]])
    func refusesInvalidUTF8(bytes: [UInt8]) {
        guard case .failure(let failure) = parse(bytes) else { return #expect(Bool(false), "accepted \(bytes)") }
        #expect(failure.kind == .corrupt)
    }

    @Test func saysWhereAndWhat() {
        func message(_ text: String) -> String {
            if case .failure(let failure) = parse(text) { failure.message } else { "" }
        }
        #expect(
            message("{\n  \"a\": 1,\n  \"b\" 2\n}")
                == "test.json: line 3, column 7 (byte 18): expected ':' after a key, found '2'")
        #expect(
            message("[1")
                == "test.json: line 1, column 3 (byte 2): expected ',' or ']' after an element, "
                + "found the end of the text"
        )
        #expect(
            message("{\"a\":1,\"a\":2}")
                == "test.json: line 1, column 8 (byte 7): expected each key once; \"a\" is there twice")
        #expect(message("[\u{1}]") == "test.json: line 1, column 2 (byte 1): expected a value, found byte 0x1")
        #expect(message("\"\\ud800\"").contains("surrogate"))
        let invalid = parse([0x22, 0x61, 0xC3, 0xA9, 0xFF, 0x22])
        #expect(
            invalid
                == .failure(Failure(.corrupt, "test.json: line 1, column 5 (byte 4): expected UTF-8, found byte 0xff")))
    }

    @Test func limitsDepth() {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        func objects(_ depth: Int) -> String {
            String(repeating: "{\"a\":", count: depth) + "1" + String(repeating: "}", count: depth)
        }
        for make in [nested, objects] {
            #expect(throws: Never.self) { try parse(make(128)).get() }
            #expect(throws: Failure.self) { try parse(make(129)).get() }
            #expect(throws: Never.self) { try parse(make(3), maximumDepth: 3).get() }
            #expect(throws: Failure.self) { try parse(make(4), maximumDepth: 3).get() }
            // The limit of the limit.
            #expect(throws: Never.self) { try parse(make(256), maximumDepth: .max).get() }
            #expect(throws: Failure.self) { try parse(make(257), maximumDepth: .max).get() }
        }
        #expect(throws: Failure.self) { try parse("[]", maximumDepth: 0).get() }
        #expect(throws: Never.self) { try parse("1", maximumDepth: -1).get() }
        #expect(throws: Failure.self) { try parse(String(repeating: "[", count: 1_000_000)).get() }
        #expect(throws: Failure.self) { try parse(String(repeating: "{\"a\":", count: 200_000)).get() }
    }

    static let sample = """
        {"name": "é😀 \\ud83d\\ude00 \\n", "numbers": [0, -1.5e-3, 12345678901234567890, true, false, null, NaN],
         "nested": {"a": {"b": [[], {}]}}, "k1": 1, "k2": 2, "k3": 3, "k4": 4, "k5": 5, "k6": 6, "k7": -Infinity}
        """

    @Test func refusesEveryPrefix() {
        let bytes = Array(Self.sample.utf8)
        #expect(throws: Never.self) { try parse(bytes).get() }
        for count in 0..<bytes.count {
            #expect(throws: Failure.self) { try parse(Array(bytes[..<count])).get() }
        }
    }

    @Test func survivesEveryChangedByte() {
        let bytes = Array(Self.sample.utf8)
        for position in bytes.indices {
            for value in UInt8.min...UInt8.max {
                var changed = bytes
                changed[position] = value
                if case .success(let json) = parse(changed) {
                    // What was accepted can be written and read again.
                    let text = json.serialized()
                    #expect(parse(text).map { $0.serialized() } == .success(text))
                }
            }
        }
    }

    @Test func tellsKeysApartByTheirBytes() throws {
        let object = try #require(try parse("{\"\u{E9}\":1,\"e\u{301}\":2}").get().object)
        #expect(object.count == 2)
        #expect(object["\u{E9}"] == 1)
        #expect(object["e\u{301}"] == 2)
    }

    @Test func readsTextAndBuffersAlike() throws {
        #expect(try JSON.parse("[1]", name: "x") == [1])
        #expect(throws: Failure.self) { try JSON.parse("[1", name: "x") }
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        #expect(throws: Failure.self) { try JSON.parse(empty, name: "x") }
    }
}
