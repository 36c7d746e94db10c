import NestlingBasics
import Testing

struct JSONObjectTests {
    /// Below and above the number of members from which there is an index.
    @Test(arguments: [3, 8, 9, 10, 100])
    func keepsOrderAndFindsMembers(count: Int) {
        var object = JSONObject()
        for number in 0..<count { object["key\(number)"] = .integer(number) }
        #expect(object.count == count)
        #expect(object.members.map(\.key) == (0..<count).map { "key\($0)" })
        for number in 0..<count { #expect(object["key\(number)"] == .integer(number)) }
        #expect(object["absent"] == nil)
        #expect(!object.contains("absent"))

        object["key1"] = "changed"
        #expect(object.members[1].value == "changed")
        #expect(object.count == count)

        object["key0"] = nil
        object["absent"] = nil
        #expect(object.count == count - 1)
        #expect(object["key0"] == nil)
        for number in 2..<count { #expect(object["key\(number)"] == .integer(number)) }
        object["key0"] = 0
        #expect(object.members.last?.key == "key0")
        #expect(object["key0"] == 0)
    }

    @Test func comparesWithoutRegardToOrder() {
        let one: JSON = ["a": 1, "b": 2]
        #expect(one == ["b": 2, "a": 1])
        #expect(one != ["a": 1])
        #expect(one != ["a": 1, "c": 2])
        #expect(one != ["a": 1, "b": 3])
    }

    @Test func holdsNull() {
        var object = JSONObject()
        object["a"] = JSON.null
        #expect(object.contains("a"))
        #expect(object["a"]?.isNull == true)
    }

    @Test func quotesOnOneLineAndShort() {
        #expect("a\"\\\n\r\t\u{1}\u{85}".quoted == #""a\"\\\n\r\t\u{1}\u{85}""#)
        #expect(String(repeating: "x", count: 200).quoted == "\"" + String(repeating: "x", count: 80) + "...\"")
        #expect("".quoted == "\"\"")
    }
}
