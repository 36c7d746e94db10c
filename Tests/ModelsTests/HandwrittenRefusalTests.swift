import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingModels
import NestlingTestSupport
import Testing

/// Networks written by hand that contradict themselves: parts that do not fit would read past each other's rows.
@Suite struct HandwrittenRefusalTests {
    /// A network without blocks whose embedding is `embedding`, of a table [8, 6].
    private func embedded(_ embedding: String, hidden: Int = 6) -> TinyCheckpoint {
        var checkpoint = TinyCheckpoint()
        checkpoint.files["config.json"] = "{}"
        checkpoint.files["nestling.json"] = #"""
            {"format":1,"architecture":{"family":"x","hidden_size":\#(hidden),"blocks":[],"embedding":
             {"tokens":{"weight":"t","shape":[8,6]},\#(embedding)}}}
            """#
        checkpoint.addRandom(
            [
                ("t", [8, 6]), ("wide", [8, 9]), ("n9", [9]), ("n6", [6]), ("p", [6, 9]), ("p6", [6, 6]),
                ("p66", [66, 6]),
            ], seed: 1)
        return checkpoint
    }

    @Test func partsOfTheEmbeddingFit() throws {
        let refused = [
            #""norm":{"type":"layer_norm","size":9,"epsilon":0,"weight":"n9"}"#,
            #""norm":{"type":"rms_norm","size":9,"epsilon":0}"#,
            #""projection":{"weight":"p","shape":[6,9]}"#,
            #""positions":{"weight":"wide","shape":[8,9]}"#, #""token_types":{"weight":"wide","shape":[8,9]}"#,
            #""positions":{"weight":"t","shape":[6,8]}"#, #""padding_id":-1"#, #""padding_id":1e300"#,
            #""position_offset":-1"#, #""projection":{"weight":"p6","shape":[6,6],"rows":[5,2]}"#,
            #""projection":{"weight":"p6","shape":[6,6],"rows":[0,9223372036854775807]}"#,
            #""projection":{"weight":"p6","shape":[6,6],"columns":7}"#,
        ]
        for part in refused {
            let failure = failure { try embedded(part).network() }
            #expect(failure?.message.isEmpty == false, "\(part)")
        }
        let accepted = [
            #""norm":{"type":"layer_norm","size":6,"epsilon":0,"weight":"n6"}"#,
            #""projection":{"weight":"p6","shape":[6,6]}"#,
            #""projection":{"weight":"p66","shape":[66,6],"rows":[60,6]}"#,
        ]
        for part in accepted {
            let network = try embedded(part).network()
            #expect(try network.runner().run([[1, 2]], .states(layer: 0, unmerged: false))[0].count == 12)
        }
    }

    @Test func positionsOfPadding() throws {
        // The padding id lies past the table: no sequence fits, and nothing is read past it.
        for padding in [7, 8, 2_147_483_647] {
            let network = try embedded(#""positions":{"weight":"t","shape":[8,6]},"padding_id":\#(padding)"#).network()
            let failure = failure { try network.runner().run([[1]], .states(layer: 0, unmerged: false)) }
            #expect(failure?.kind == .invalidArgument)
        }
        let network = try embedded(#""positions":{"weight":"t","shape":[8,6]},"position_offset":1048576"#).network()
        #expect(network.weights.embedding.maximumTokens == 0)
    }

    /// Blocks in which no tokens meet cannot merge tokens; where nothing should merge, they run.
    @Test func blocksWithoutMixers() throws {
        var checkpoint = TinyCheckpoint()
        checkpoint.files["config.json"] = "{}"
        let block = #"""
            {"sublayers":[{"channel":{"type":"mlp","hidden_size":6,"width":6,"activation":"relu",
             "up":{"weight":"p6","shape":[6,6]},"down":{"weight":"p6","shape":[6,6]}}}]}
            """#
        checkpoint.files["nestling.json"] = #"""
            {"format":1,"architecture":{"family":"x","hidden_size":6,"blocks":[\#(block),{"sublayers":[]}],
             "embedding":{"tokens":{"weight":"t","shape":[8,6]}}}}
            """#
        checkpoint.addRandom([("t", [8, 6]), ("p6", [6, 6])], seed: 1)
        let network = try checkpoint.network()
        let ids: [[Int32]] = [[0, 1, 2, 3, 4, 5, 6, 7]]
        let runner = network.runner()
        let request = Request.states(layer: 2, unmerged: false)
        let plain = try runner.run(ids, request)
        for text in [#"{"method":"tome","r":1}"#, #"{"method":"tome","r":[0,1]}"#] {
            let reducer = try Reducers.reducer(json: text)
            #expect(failure { try runner.run(ids, request, reducer: reducer) }?.kind == .unsupported)
        }
        let reducer = try Reducers.reducer(json: #"{"method":"tome","r":[0,0,9]}"#)
        #expect(try runner.run(ids, request, reducer: reducer) == plain)
        #expect(try runner.tokenMap(layer: 2) == Array(0..<8))
    }

    /// Relative biases whose buckets end exactly where, or before, the wide ones would begin.
    @Test(arguments: [4, 6, 32, 255, 508, 512, 514, 516, 600, 1024]) func bucketsOfEveryNumber(_ buckets: Int) throws {
        for maximum in [2, 3, 127, 128, 129, 256] {
            let network = try Self.biased(heads: 1, knownHeads: 1, buckets: buckets, maximum: maximum).network()
            let sequences = TokenSequences([Array(repeating: 1, count: 300)])
            let isFinite = try network.runner().run(sequences, .vectors(VectorOptions()))[0].allSatisfy { $0.isFinite }
            #expect(isFinite)
        }
    }

    @Test func memoryFollowsTheFile() throws {
        // A table that would be far greater than the file.
        let failure = failure { try Self.biased(heads: 1, knownHeads: 4096, buckets: 4, maximum: 8192).network() }
        #expect(failure?.kind == .unsupported)
        // Layers that are only a number.
        var albert = try TinyCheckpoint(fixture: "albert/base")
        var config = try JSON.parse(albert.files["config.json"] ?? "", name: "config.json").object ?? JSONObject()
        config["num_hidden_layers"] = 4096
        config["inner_group_num"] = 4096
        albert.files["config.json"] = JSON.object(config).serialized()
        let message = NestlingTestSupport.failure { try albert.network() }?.message
        #expect(message?.contains("inner_group_num") == true)
    }

    private static func biased(heads: Int, knownHeads: Int, buckets: Int, maximum: Int) -> TinyCheckpoint {
        var checkpoint = TinyCheckpoint()
        checkpoint.files["config.json"] = "{}"
        let square = #"{"weight":"s","shape":[6,6]}"#
        checkpoint.files["nestling.json"] = #"""
            {"format":1,"architecture":{"family":"x","hidden_size":6,
             "embedding":{"tokens":{"weight":"t","shape":[8,6]}},"blocks":[{"sublayers":[{"mixer":
              {"type":"attention","hidden_size":6,"heads":\#(heads),"head_size":\#(6 / heads),
               "query":\#(square),"key":\#(square),"value":\#(square),"output":\#(square),
               "supports":[{"type":"relative_bias","weight":"bias","heads":\#(knownHeads),"buckets":\#(buckets),
                            "max_distance":\#(maximum)}]}}]}]}}
            """#
        checkpoint.addRandom([("t", [8, 6]), ("s", [6, 6]), ("bias", [buckets, knownHeads])], seed: 1)
        return checkpoint
    }
}
