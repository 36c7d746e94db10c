import NestlingBasics
import Testing

struct JSONSerializerTests {
    private let value: JSON = [
        "name": "tiny", "sizes": [1, 2.5, [], [:]], "none": nil, "flag": true,
        "inner": ["z": 0, "a": "é\n\"\\\u{1}\u{1F}\u{7F}"],
    ]

    @Test func writesCompactText() {
        let expected =
            #"{"name":"tiny","sizes":[1,2.5,[],{}],"none":null,"flag":true,"#
            + #""inner":{"z":0,"a":"é\n\"\\\u0001\u001f"# + "\u{7F}\"}}"
        #expect(value.serialized() == expected)
    }

    @Test func writesPrettyTextAsPythonWithIndentTwo() {
        let expected = """
            {
              "name": "tiny",
              "sizes": [
                1,
                2.5,
                [],
                {}
              ],
              "none": null,
              "flag": true,
              "inner": {
                "z": 0,
                "a": "é\\n\\"\\\\\\u0001\\u001f\u{7F}"
              }
            }
            """
        #expect(value.serialized(pretty: true) == expected)
    }

    @Test(arguments: [true, false])
    func readsBackWhatItWrites(isPretty: Bool) {
        #expect(parse(value.serialized(pretty: isPretty)) == .success(value))
    }

    @Test func escapesWhatMustBe() {
        #expect(JSON.string("\u{8}\t\n\u{C}\r\u{0}").serialized() == #""\b\t\n\f\r\u0000""#)
        #expect(JSON.string("/ é \u{2028} 😀").serialized() == "\"/ é \u{2028} 😀\"")
        #expect(JSON.integer(.min).serialized() == "-9223372036854775808")
    }
}
