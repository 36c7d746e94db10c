import NestlingBasics
import NestlingBlocks
import NestlingModels
import NestlingTestSupport
import Testing

/// Reductions as callers write them: whatever cannot be meant is refused, and the message names the key.
@Suite struct ReductionOptionsTests {
    static let refused: [(text: String, named: String)] = [
        (#"{"method":"tome","r":1,"rr":2}"#, "rr"),
        (#"{"method":"tome","R":1}"#, "R"),
        (#"{"method":"tome"}"#, "\"r\""),
        (#"{"method":"tome","r":null}"#, "\"r\""),
        (#"{"method":"tome","r":-1}"#, "\"r\""),
        (#"{"method":"tome","r":1.5}"#, "\"r\""),
        (#"{"method":"tome","r":true}"#, "\"r\""),
        (#"{"method":"tome","r":"8"}"#, "\"r\""),
        (#"{"method":"tome","r":{}}"#, "\"r\""),
        (#"{"method":"tome","r":NaN}"#, "\"r\""),
        (#"{"method":"tome","r":Infinity}"#, "\"r\""),
        (#"{"method":"tome","r":1e308}"#, "\"r\""),
        (#"{"method":"tome","r":9223372036854775807}"#, "\"r\""),
        (#"{"method":"tome","r":18446744073709551616}"#, "\"r\""),
        (#"{"method":"tome","r":[1,-1]}"#, "\"r\""),
        (#"{"method":"tome","r":[1,"2"]}"#, "\"r\""),
        (#"{"method":"tome","r":[9223372036854775807]}"#, "\"r\""),
        (#"{"method":"tome","r":[1],"schedule":"decreasing"}"#, "schedule"),
        (#"{"method":"tome","r":1,"schedule":"falling"}"#, "schedule"),
        (#"{"method":"tome","r":1,"schedule":3}"#, "schedule"),
        (#"{"method":"tome","ratio":0}"#, "ratio"),
        (#"{"method":"tome","ratio":-0.5}"#, "ratio"),
        (#"{"method":"tome","ratio":1.01}"#, "ratio"),
        (#"{"method":"tome","ratio":NaN}"#, "ratio"),
        (#"{"method":"tome","ratio":Infinity}"#, "ratio"),
        (#"{"method":"tome","ratio":1e400}"#, "ratio"),
        (#"{"method":"tome","ratio":"half"}"#, "ratio"),
        (#"{"method":"tome","ratio":[0.5]}"#, "ratio"),
        (#"{"method":"tome","ratio":0.5,"r":1}"#, "ratio"),
        (#"{"method":"tome","ratio":0.5,"schedule":"increasing"}"#, "ratio"),
        (#"{"method":"tome","r":1,"protect":"both"}"#, "protect"),
        (#"{"method":"tome","r":1,"protect":1}"#, "protect"),
        (#"{"method":"tome","r":1,"proportional_attention":1}"#, "proportional_attention"),
        (#"{"method":"tome","r":1,"proportional_attention":"yes"}"#, "proportional_attention"),
        (#"{"method":"prune","r":1}"#, "prune"),
        (#"{"method":1,"r":1}"#, "method"),
        (#"{"r":1}"#, "method"),
        ("[]", "reduction"), ("", "reduction"), ("8", "reduction"), ("{", "reduction"), ("null", "reduction"),
    ]

    @Test(arguments: refused) func refuses(_ text: String, _ named: String) throws {
        let failure = try #require(failure { try Reducers.reducer(json: text) })
        #expect(failure.kind == .invalidArgument)
        #expect(failure.message.contains(named), "\(failure.message)")
        #expect(failure.message.contains("reduction"), "\(failure.message)")
        #expect(!failure.message.contains("\n"))
    }

    static let accepted = [
        #"{"method":"tome","r":0}"#, #"{"method":"tome","r":8.0}"#, #"{"method":"tome","r":1000000}"#,
        #"{"method":"tome","r":[]}"#, #"{"method":"tome","r":[1,2,3,4,5,6,7,8]}"#,
        #"{"method":"tome","r":1,"schedule":null,"protect":null,"proportional_attention":null}"#,
        #"{"method":"tome","ratio":1e-300}"#, #"{"method":"tome","ratio":1}"#,
        #"{"method":"tome","ratio":0.5,"schedule":"constant"}"#,
        #"{"method":"tome","r":1000000,"schedule":"increasing"}"#,
        #"{"method":"tome","r":1000000,"schedule":"decreasing","protect":"none","proportional_attention":false}"#,
    ]

    @Test(arguments: accepted) func runs(_ text: String) throws {
        let network = try openNetwork("bert/base")
        let sequences = TokenSequences(for: network, lengths: [1, 2, 7, 20], seed: 1)
        let reducer = try Reducers.reducer(json: text)
        for vector in try network.runner().run(sequences, .vectors(VectorOptions()), reducer: reducer) {
            let isFinite = vector.allSatisfy { $0.isFinite }
            #expect(isFinite)
        }
    }
}
