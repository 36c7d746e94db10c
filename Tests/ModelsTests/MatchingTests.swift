import NestlingBasics
import NestlingBlocks
import NestlingModels
import NestlingTensors
import NestlingTestSupport
import Testing

/// Which tokens merge: the matching alone.
@Suite struct MatchingTests {
    /// The map of `metric` `[rows, columns]` that removes `r` tokens.
    private func map(_ metric: [Float], columns: Int, r: Int, protect: String) throws -> TokenMap? {
        let reducer = try Reducers.reducer(json: #"{"method":"tome","r":\#(r),"protect":"\#(protect)"}"#)
        let rows = metric.count / columns
        let remaining = reducer.remainingTokens(rows, layers: 1)[0]
        var metric = metric
        return try metric.withUnsafeMutableBufferPointer { buffer in
            try buffer.baseAddress.flatMap {
                try reducer.map(
                    LayerTokens(count: rows, keys: Matrix($0, rows: rows, columns: columns)), remaining: remaining,
                    threads: 1)
            }
        }
    }

    /// What a map says as pairs: which old row has gone, and the old row that it joined.
    private func pairs(_ map: TokenMap?) -> [Int32: Int32] {
        guard let map else { return [:] }
        var pairs: [Int32: Int32] = [:]
        for (old, new) in map.newRow.enumerated() where map.keptRows[Int(new)] != Int32(old) {
            pairs[Int32(old)] = map.keptRows[Int(new)]
        }
        return pairs
    }

    /// Rows of length 1 along an axis, as the engine scales them: every similarity is exactly 0 or 1.
    private func unit(_ metric: [Float]) -> [Float] { metric.map { $0 == 0 ? 0 : 1 } }

    @Test func agreesWithTheReferenceOnTiesAndZeros() throws {
        let golden = try Golden("matching")
        let numbers = golden.names.filter { $0.hasSuffix(".metric") }.map { String($0.dropLast(7)) }
        #expect(numbers.count == 108)
        for number in numbers {
            let metric = try #require(golden.floats("\(number).metric"))
            let protected = try #require(golden.integers("\(number).protected"))
            let r = try #require(golden.integers("\(number).r")).first ?? 0
            let sources = golden.integers("\(number).sources") ?? []
            let destinations = golden.integers("\(number).destinations") ?? []
            // A sequence of one token is its own first and last.
            let protect =
                switch (protected.first, protected.last) {
                case (1, 1): "special"
                case (1, _): "first"
                case (_, 1): "last"
                default: "none"
                }
            let found = pairs(try map(unit(metric), columns: 4, r: Int(r), protect: protect))
            #expect(found == Dictionary(uniqueKeysWithValues: zip(sources, destinations)), "\(number)")
        }
    }

    @Test func identicalTokensMergeFromTheFront() throws {
        let found = try map(Array(repeating: 1, count: 9), columns: 1, r: 2, protect: "none")
        #expect(pairs(found) == [0: 1, 2: 1])
        #expect(found?.newRow == [0, 0, 0, 1, 2, 3, 4, 5, 6])
    }

    @Test func protectedTokensAreLeftAlone() throws {
        let metric = [Float](repeating: 1, count: 8)
        for (protect, untouched) in [("special", [0, 7]), ("first", [0]), ("last", [7]), ("none", [])] {
            let found = pairs(try map(metric, columns: 1, r: 100, protect: protect))
            for token in untouched.map(Int32.init) {
                #expect(found[token] == nil && !found.values.contains(token), "\(protect)")
            }
            #expect(found.count == (8 - untouched.count) / 2, "\(protect)")
        }
    }

    @Test func numbersThatAreNoneStillGiveAMap() throws {
        for bad in [Float.nan, .infinity, -.infinity, 0] {
            for count in 1...9 {
                let planned = try Reducers.reducer(json: #"{"method":"tome","r":3}"#).remainingTokens(count, layers: 1)[
                    0]
                let found = try map(Array(repeating: bad, count: count * 2), columns: 2, r: 3, protect: "special")
                #expect((found?.newCount ?? count) == planned, "\(bad), \(count) tokens")
            }
        }
    }

    @Test func amountsAreClamped() throws {
        let most = try Reducers.reducer(json: #"{"method":"tome","r":1000000}"#)
        #expect((1...9).map { most.remainingTokens($0, layers: 1)[0] } == [1, 2, 3, 3, 4, 4, 5, 5, 6])
        let unprotected = try Reducers.reducer(json: #"{"method":"tome","r":1000000,"protect":"none"}"#)
        #expect((1...9).map { unprotected.remainingTokens($0, layers: 1)[0] } == [1, 1, 2, 2, 3, 3, 4, 4, 5])
        #expect(unprotected.remainingTokens(9, layers: 5) == [5, 3, 2, 1, 1])
    }

    @Test(arguments: [1, 2, 3, 6, 7, 12, 49, 50]) func schedulesAreExact(_ layers: Int) throws {
        for r in [0, 1, 3, 8, 16, 49] {
            let tokens = 100_000
            func amounts(_ schedule: String) throws -> [Int] {
                let reducer = try Reducers.reducer(json: #"{"method":"tome","r":\#(r),"schedule":"\#(schedule)"}"#)
                let remaining = [tokens] + reducer.remainingTokens(tokens, layers: layers)
                return zip(remaining, remaining.dropFirst()).map { $0 - $1 }
            }
            #expect(try amounts("constant") == Array(repeating: r, count: layers))
            let rising = layers == 1 ? [r] : (0..<layers).map { 2 * r * $0 / (layers - 1) }
            #expect(try amounts("increasing") == rising)
            let falling = layers == 1 ? [r] : (0..<layers).map { 2 * r * (layers - 1 - $0) / (layers - 1) }
            #expect(try amounts("decreasing") == falling)
        }
    }

    @Test func ratiosRoundToTheNearest() throws {
        let reducer = try Reducers.reducer(json: #"{"method":"tome","ratio":0.5,"protect":"none"}"#)
        // In two layers, so that no clamp hides what the ratio asks for.
        #expect((2...9).map { reducer.remainingTokens($0, layers: 2)[1] } == [1, 2, 2, 3, 3, 4, 4, 5])
    }
}
