import NestlingBasics
import NestlingCheckpoints
import NestlingModels
import NestlingTestSupport
import Testing

/// Every family and head against goldens that transformers computed in float64 (see Tests/Fixtures/README.md): all
/// sequences in one ragged batch, relative error at most 1e-4, cosine at least 0.99999.
@Suite(.serialized) struct GoldenTests {
    static let checkpoints = Fixtures.families.flatMap { family in
        [
            "base", "masked-lm", "sequence-classification", "token-classification", "question-answering",
            "replaced-token",
            "masked-lm-untied", "float16", "bfloat16", "sharded", "legacy-names", "causal-lm", "linear", "dynamic",
            "llama3", "yarn", "longrope", "proportional", "bidirectional", "sequential", "post-norm",
        ]
        .map { "\(family)/\($0)" }
        .filter { (try? Golden($0)) != nil }
    }

    @Test func allFixturesAreFound() { #expect(Self.checkpoints.count >= 84) }

    @Test(arguments: checkpoints) func agrees(_ directory: String) throws {
        let golden = try Golden(directory)
        let network = try openNetwork(directory)
        let ids = try #require(golden.integers("ids"))
        let offsets = try #require(golden.integers("offsets")).map(Int.init)
        let types = golden.integers("token_type_ids")
        func split(_ values: [Int32]) -> [[Int32]] {
            (0..<offsets.count - 1).map { Array(values[offsets[$0]..<offsets[$0 + 1]]) }
        }
        let sequences = split(ids)
        let runner = network.runner()
        var compared = 0
        for layer in 0...network.blocks.count {
            let names = sequences.map { "hidden.\(layer).\($0.count)" }
            guard names.contains(where: { golden.shape($0) != nil }) else { continue }
            let size = network.hiddenSize(after: layer)
            let states = try runner.run(sequences, types: types.map(split), .states(layer: layer, unmerged: false))
            for (index, name) in names.enumerated() {
                guard let expected = golden.floats(name), let rows = golden.integers("rows.\(sequences[index].count)")
                else { continue }
                let found = rows.flatMap {
                    states[index][Int($0) * size..<(Int($0) + 1) * size]
                }
                #expect(Agreement.relativeError(found, expected) <= 1e-4, "\(directory) \(name)")
                #expect(Agreement.cosine(found, expected) >= 0.99999, "\(directory) \(name)")
                compared += 1
            }
        }
        if let head = network.weights.architecture.defaultHead {
            let logits = try runner.run(sequences, types: types.map(split), .scores(head, unmerged: false))
            for (index, sequence) in sequences.enumerated() {
                let name = "logits.\(sequence.count)"
                guard let expected = golden.floats(name), let columns = golden.shape(name)?.last else { continue }
                var found = logits[index]
                if head != .sequenceClassification, let rows = golden.integers("rows.\(sequence.count)") {
                    found = rows.flatMap { found[Int($0) * columns..<(Int($0) + 1) * columns] }
                }
                #expect(Agreement.relativeError(found, expected) <= 1e-4, "\(directory) \(name)")
                #expect(Agreement.cosine(found, expected) >= 0.99999, "\(directory) \(name)")
                compared += 1
            }
        }
        #expect(compared > 0)
    }
}
