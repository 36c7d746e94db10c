import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingImages
import NestlingModels
import NestlingTestSupport
import Testing

/// Every family that takes images against goldens that transformers computed in float64 (see Tests/Fixtures/README.md): images
/// of four sizes in one ragged batch, relative error at most 1e-4, cosine at least 0.99999.
@Suite(.serialized) struct VisionGoldenTests {
    static let checkpoints = Fixtures.visionFamilies.flatMap { family in
        ["base", "image-classification", "with-teacher", "swiglu", "even-windows"].map { "\(family)/\($0)" }
            .filter { (try? Golden($0)) != nil }
    }

    @Test func allFixturesAreFound() { #expect(Self.checkpoints.count >= 14) }

    @Test(arguments: checkpoints) func agrees(_ directory: String) throws {
        let golden = try Golden(directory)
        let network = try openNetwork(directory)
        let all = try FixtureImages.load()
        let keys = all.indices.filter { index in
            ["hidden.\(network.blocks.count)", "logits"].contains { golden.shape("\($0).\(index)") != nil }
        }
        let images = keys.map { all[$0] }
        let runner = network.runner()
        var compared = 0
        func compare(_ name: String, _ request: Request) throws {
            let results = try runner.run(images, request)
            for (key, found) in zip(keys, results) {
                guard let expected = golden.floats("\(name).\(key)") else { continue }
                #expect(Agreement.relativeError(found, expected) <= 1e-4, "\(directory) \(name).\(key)")
                #expect(Agreement.cosine(found, expected) >= 0.99999, "\(directory) \(name).\(key)")
                compared += 1
            }
        }
        for layer in 0...network.blocks.count {
            try compare("hidden.\(layer)", .states(layer: layer, unmerged: false))
        }
        try compare("vector", .vectors(VectorOptions()))
        if let head = network.weights.architecture.defaultHead {
            #expect(head == .sequenceClassification)
            try compare("logits", .scores(head, unmerged: false))
        }
        #expect(compared >= keys.count && !keys.isEmpty)
    }

    /// An image alone, in a batch, in slices and on any number of threads gives the same bits.
    @Test(arguments: checkpoints) func sameBits(_ directory: String) throws {
        let network = try openNetwork(directory)
        let images = try FixtureImages.load()
        let request = Request.states(layer: network.blocks.count, unmerged: false)
        let alone = try images.map { try network.runner(threads: 1).run([$0], request)[0] }
        for runner in [network.runner(), network.runner(sliceTokens: 20), network.runner(threads: 1)] {
            expectSameBits(try runner.run(images + images, request), alone + alone, directory)
        }
    }

    /// What a run takes never passes what was reserved, with and without merging; every original token keeps a row.
    @Test(arguments: checkpoints.filter { !$0.hasPrefix("swin") }) func merges(_ directory: String) throws {
        let network = try openNetwork(directory)
        let images = try FixtureImages.load()
        let reducer = try Reducers.reducer(json: #"{"method":"tome","r":3,"protect":"first"}"#)
        let heads = network.weights.architecture.heads.keys
        let requests =
            [Request.vectors(VectorOptions()), .states(layer: 0, unmerged: true), .states(layer: 1, unmerged: true)]
            + heads.map { .scores($0, unmerged: false) }
        for request in requests {
            let results = try network.runner().run(images, request, reducer: reducer)
            #expect(results.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.isFinite } })
        }
        let whole = try network.runner().run(images, requests[1])
        let unmerged = try network.runner().run(images, requests[2], reducer: reducer)
        #expect(whole.map(\.count) == unmerged.map(\.count))
    }

    @Test func refusals() throws {
        let (vision, text) = (try openNetwork("vit/base"), try openNetwork("bert/base"))
        let images = try FixtureImages.load()
        func refused(_ body: () throws -> Void) -> Failure? { failure(body) }
        #expect(refused { _ = try Batch(images, for: text) }?.kind == .invalidArgument)
        let tokens = refused { _ = try vision.runner().run([[1, 2]], .vectors(VectorOptions())) }
        #expect(tokens?.kind == .invalidArgument && tokens?.message.contains("images") == true)
        for (channels, height, width) in [(1, 32, 32), (4, 32, 32), (3, 7, 32), (3, 32, 7)] {
            let image = try PreparedImage(channels: channels, height: height, width: width)
            let refusal = refused { _ = try Batch([images[0], image], for: vision) }
            #expect(refusal?.kind == .invalidArgument && refusal?.message.hasPrefix("image 1 ") == true)
        }
        // A batch of sizes tells shapes and cannot be run.
        let sizes = try Batch(sizes: [(channels: 3, height: 45, width: 33)], for: vision)
        let shape = try ResultShape(sizes, .states(layer: 0, unmerged: false), reducer: nil, vision)
        #expect(shape.offsets == [0, 21] && shape.columns == 32)
        var room = [Float](repeating: 0, count: 21 * 32)
        let refusal = refused {
            try vision.runner().run(
                sizes, .states(layer: 0, unmerged: false), shape: shape, reducer: nil, into: &room, progress: nil)
        }
        #expect(refusal?.kind == .internal)
    }
}
