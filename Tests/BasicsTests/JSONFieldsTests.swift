import NestlingBasics
import Testing

struct JSONFieldsTests {
    private let fields: JSONFields

    init() throws {
        fields = try JSONFields(
            [
                "size": 384, "float": 12.0, "half": 0.5, "none": nil, "yes": true, "text": "gelu", "big": 1e300,
                "nan": .number(.nan),
                "list": [1, 2, 3], "words": ["a", "b"], "mixed": ["a", 1], "numbers": [1, 2.5], "empty": [],
                "inner": ["depth": 2], "rows": [["a": 1], ["a": 2]],
            ], name: "config.json")
    }

    private func message(_ body: (JSONFields) throws -> Void) -> String {
        do {
            try body(fields)
            return "no failure"
        } catch {
            #expect((error as? Failure)?.kind == .corrupt)
            return "\(error)"
        }
    }

    @Test func readsValues() throws {
        #expect(try fields.integer("size", in: 1...1000) == 384)
        #expect(try fields.integer("float", in: 1...1000) == 12)
        #expect(try fields.number("half") == 0.5)
        #expect(try fields.number("size") == 384)
        #expect(try fields.bool("yes"))
        #expect(try fields.string("text") == "gelu")
        #expect(try fields.strings("words") == ["a", "b"])
        #expect(try fields.integers("list", in: 0...3) == [1, 2, 3])
        #expect(try fields.integers("empty", in: 0...3) == [])
        #expect(try fields.numbers("numbers") == [1, 2.5])
        #expect(try fields.object("inner").integer("depth", in: 0...9) == 2)
        #expect(try fields.optionalObjects("rows")?.map { $0["a"] } == [1, 2])
        #expect(fields.contains("size") && !fields.contains("none") && !fields.contains("absent"))
    }

    @Test(arguments: ["none", "absent"])
    func takesNullAsAbsent(key: String) throws {
        #expect(try fields.integer(key, in: 0...9, default: 7) == 7)
        #expect(try fields.number(key, default: 0.25) == 0.25)
        #expect(try fields.bool(key, default: true))
        #expect(try fields.string(key, default: "x") == "x")
        #expect(try fields.strings(key, default: []) == [])
        #expect(try fields.integers(key, in: 0...9, default: [1]) == [1])
        #expect(try fields.numbers(key, default: [1]) == [1])
        #expect(try fields.optionalInteger(key, in: 0...9) == nil)
        #expect(try fields.optionalNumber(key) == nil)
        #expect(try fields.optionalBool(key) == nil)
        #expect(try fields.optionalString(key) == nil)
        #expect(try fields.optionalStrings(key) == nil)
        #expect(try fields.optionalIntegers(key, in: 0...9) == nil)
        #expect(try fields.optionalNumbers(key) == nil)
        #expect(try fields.optionalObject(key) == nil)
        #expect(try fields.optionalObjects(key) == nil)
        #expect(
            message { _ = try $0.integer(key, in: 0...9) }
                == "config.json: \(key) is missing; expected a whole number in 0...9")
        #expect(message { _ = try $0.string(key) } == "config.json: \(key) is missing; expected a string")
        #expect(message { _ = try $0.object(key) } == "config.json: \(key) is missing; expected an object")
    }

    @Test func namesFileAndKey() {
        #expect(
            message { _ = try $0.integer("size", in: 1...100) }
                == "config.json: size is 384; expected a whole number in 1...100")
        #expect(
            message { _ = try $0.integer("half", in: 1...100, default: 1) }
                == "config.json: half is 0.5; expected a whole number in 1...100")
        #expect(
            message { _ = try $0.integer("text", in: 1...Int.max) }.hasSuffix(
                "is \"gelu\"; expected a whole number in 1..."))
        #expect(message { _ = try $0.integer("big", in: Int.min...Int.max) }.contains("big is 1e+300"))
        #expect(message { _ = try $0.integer("yes", in: 0...1) }.contains("yes is true"))
        #expect(message { _ = try $0.number("text") } == "config.json: text is \"gelu\"; expected a finite number")
        #expect(message { _ = try $0.number("nan") } == "config.json: nan is NaN; expected a finite number")
        #expect(
            message { _ = try $0.number("size", in: 0...1) }
                == "config.json: size is 384; expected a number from 0.0 to 1.0")
        #expect(message { _ = try $0.bool("size") } == "config.json: size is 384; expected true or false")
        #expect(message { _ = try $0.string("list") } == "config.json: list is an array of 3; expected a string")
        #expect(message { _ = try $0.strings("mixed") } == "config.json: mixed[1] is 1; expected an array of strings")
        #expect(
            message { _ = try $0.integers("list", in: 0...2) }
                == "config.json: list[2] is 3; expected an array of whole numbers in 0...2")
        #expect(message { _ = try $0.object("list") } == "config.json: list is an array of 3; expected an object")
        #expect(
            message { _ = try $0.object("inner").bool("depth") }
                == "config.json: inner: depth is 2; expected true or false")
        #expect(message { _ = try $0.optionalObjects("list") } == "config.json: list[0]: expected an object, found 1")
    }

    @Test func refusesUnknownKeys() throws {
        let options = try JSONFields(["r": 8, "rr": 1], name: "options", kind: .invalidArgument)
        #expect(throws: Never.self) { try options.refuseUnknownKeys(known: ["r", "rr", "ratio"]) }
        #expect(throws: Failure(.invalidArgument, "options: unknown key \"rr\"; known keys are r, ratio")) {
            try options.refuseUnknownKeys(known: ["r", "ratio"])
        }
        #expect(throws: Failure(.unsupported, "config.json: unknown key \"size\"; known keys are x")) {
            try fields.refuseUnknownKeys(known: ["x"])
        }
        #expect(throws: Failure(.invalidArgument, "options: expected an object, found an array of 0")) {
            try JSONFields([], name: "options", kind: .invalidArgument)
        }
        #expect(throws: Failure(.invalidArgument, "options: r is 8; expected a string")) { try options.string("r") }
    }
}
