import NestlingBasics
import Testing

struct CheckedArithmeticTests {
    @Test func computesWhatFits() throws {
        #expect(try 6.multiplied(by: 7, "size") == 42)
        #expect(try 6.added(to: -7, "size") == -1)
        #expect(try Int.max.multiplied(by: 1, "size") == .max)
    }

    @Test func refusesWhatDoesNot() {
        #expect(throws: Failure(.corrupt, "size: 9223372036854775807 x 2 does not fit in 64 bits")) {
            try Int.max.multiplied(by: 2, "size")
        }
        #expect(throws: Failure(.corrupt, "size: 9223372036854775807 + 1 does not fit in 64 bits")) {
            try Int.max.added(to: 1, "size")
        }
        #expect(throws: Failure.self) { try Int.min.multiplied(by: -1, "size") }
    }
}
