import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingModels
import NestlingTestSupport
import Testing

/// CLIP and SigLIP against goldens that transformers computed in float64: each tower alone, and what the two score together.
@Suite(.serialized) struct TowerGoldenTests {
    static let checkpoints = ["clip/base", "clip/legacy", "siglip/base"]

    private func expectAgreement(_ found: [Float], _ expected: [Float]?, _ name: String) throws {
        let expected = try #require(expected, "\(name) is missing")
        #expect(Agreement.relativeError(found, expected) <= 1e-4, "\(name)")
        #expect(Agreement.cosine(found, expected) >= 0.99999, "\(name)")
    }

    private func texts(_ golden: Golden) throws -> [[Int32]] {
        let ids = try #require(golden.integers("text.ids"))
        let offsets = try #require(golden.integers("text.offsets")).map(Int.init)
        return (0..<offsets.count - 1).map { Array(ids[offsets[$0]..<offsets[$0 + 1]]) }
    }

    @Test(arguments: checkpoints) func texts(_ directory: String) throws {
        let golden = try Golden(directory)
        let network = try openNetwork(directory, tower: .text)
        let texts = try texts(golden)
        for layer in 0...network.blocks.count {
            let states = try network.runner().run(texts, .states(layer: layer, unmerged: false))
            for (index, found) in states.enumerated() {
                let name = "text.hidden.\(layer).\(index)"
                try expectAgreement(found, golden.floats(name), "\(directory) \(name)")
            }
        }
        for (index, found) in try network.runner().run(texts, .vectors(VectorOptions())).enumerated() {
            try expectAgreement(found, golden.floats("text.vector.\(index)"), "\(directory) text.vector.\(index)")
        }
    }

    @Test(arguments: checkpoints) func images(_ directory: String) throws {
        let golden = try Golden(directory)
        let network = try openNetwork(directory, tower: .vision)
        let images = try FixtureImages.load()
        for layer in 0...network.blocks.count {
            let states = try network.runner().run(images, .states(layer: layer, unmerged: false))
            for (index, found) in states.enumerated() {
                let name = "hidden.\(layer).\(index)"
                try expectAgreement(found, golden.floats(name), "\(directory) \(name)")
            }
        }
        let vectors = try network.runner().run(images, .vectors(VectorOptions()))
        for (index, found) in vectors.enumerated() {
            try expectAgreement(found, golden.floats("vector.\(index)"), "\(directory) vector.\(index)")
        }
        // In any batch the same bits, and what merging leaves is finite and fits the workspace.
        for (index, image) in images.enumerated() {
            let alone = try network.runner(threads: 1).run([image], .vectors(VectorOptions()))
            expectSameBits(alone, [vectors[index]], directory)
        }
        let reducer = try Reducers.reducer(json: #"{"method":"tome","r":3}"#)
        let merged = try network.runner().run(images, .vectors(VectorOptions()), reducer: reducer)
        #expect(merged.allSatisfy { $0.allSatisfy { $0.isFinite } })
    }

    @Test(arguments: checkpoints) func similarity(_ directory: String) throws {
        let golden = try Golden(directory)
        let (text, vision) = (
            try openNetwork(directory, tower: .text), try openNetwork(directory, tower: .vision)
        )
        let joint = try #require(text.weights.jointSimilarity)
        #expect(joint == vision.weights.jointSimilarity)
        var options = VectorOptions()
        options.normalizes = true
        let texts = try text.runner().run(texts(golden), .vectors(options))
        let images = try vision.runner().run(FixtureImages.load(), .vectors(options))
        for (row, image) in images.enumerated() {
            for (column, text) in texts.enumerated() {
                let score = joint.scale * zip(image, text).reduce(0) { $0 + $1.0 * $1.1 } + joint.bias
                let expected = try #require(golden.floats("similarity.\(row).\(column)")?.first)
                #expect(abs(score - expected) <= 1e-4 * max(1, abs(expected)))
            }
        }
    }

    @Test func choosing() throws {
        let source = try DirectorySource(path: Fixtures.path("clip/base"))
        #expect(failure { try CheckpointDescription(source) }?.kind == .invalidArgument)
        #expect(try CheckpointDescription.all(in: source).map(\.architecture.tower) == [.text, .vision])
        let vit = try DirectorySource(path: Fixtures.path("vit/base"))
        #expect(failure { try CheckpointDescription(vit, tower: .vision) }?.kind == .invalidArgument)
    }
}
