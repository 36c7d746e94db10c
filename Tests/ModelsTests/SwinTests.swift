import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingImages
import NestlingTestSupport
import Testing

@testable import NestlingModels

/// What Swin does besides the numbers that the goldens hold: memory, token maps, work, and what it refuses.
@Suite struct SwinTests {
    private static func image(_ height: Int, _ width: Int) throws -> PreparedImage {
        let image = try PreparedImage(channels: 3, height: height, width: width)
        for index in 0..<image.count { image.pointer[index] = Float(index % 7) - 3 }
        return image
    }

    @Test(arguments: [
        #"{"method":"tome","r":2}"#, #"{"method":"pitome","r":2}"#, #"{"method":"local","r":2}"#,
        #"{"method":"evit","keep":0.7,"layers":[1]}"#, #"{"method":"attention_received","r":2}"#,
        #"{"method":"tofu","r":2}"#, #"{"method":"maelre","r":2}"#, #"{"method":"token_transforming","r":2}"#,
    ]) func reducersAreRefused(_ reduction: String) throws {
        let network = try openNetwork("swin/base")
        let reducer = try Reducers.reducer(json: reduction)
        for request in [Request.vectors(VectorOptions()), .states(layer: 1, unmerged: true)] {
            let refusal = failure { _ = try network.runner().run([try Self.image(32, 32)], request, reducer: reducer) }
            #expect(refusal?.kind == .unsupported && refusal?.message.contains("cannot be reduced") == true)
        }
        #expect(failure { _ = try ReductionEstimate(reducer, tokens: 64, network) }?.kind == .unsupported)
    }

    /// What a run takes is what was said before it, and never more than what is said of tokens alone.
    @Test func memoryIsKnown() throws {
        for directory in ["swin/base", "swin/even-windows"] {
            let network = try openNetwork(directory)
            for (height, width) in [(32, 32), (1, 1), (1, 90), (57, 3), (31, 47)] {
                let images = try [Self.image(height, width), Self.image(width, height)]
                let batch = try Batch(images, for: network)
                for layer in 0...network.blocks.count {
                    let request = Request.states(layer: layer, unmerged: false)
                    let needed = try network.workspaceFloats(batch.extent(0..<2), request, reducer: nil)
                    let tokens = StreamExtent(rows: batch.tokens, sequences: 2)
                    #expect(try network.workspaceFloats(tokens, request, reducer: nil) >= needed)
                    let enough = Runner(network, sliceTokens: 100_000, threads: 1, memoryLimit: 4 * needed)
                    #expect(try enough.run(images, request).allSatisfy { $0.allSatisfy(\.isFinite) })
                    let short = Runner(network, sliceTokens: 100_000, threads: 1, memoryLimit: 4 * needed - 64)
                    #expect(failure { _ = try short.run(images, request) }?.kind == .outOfMemory)
                }
            }
        }
    }

    /// Patches of 3 x 4 pixels, a grid of 4 x 3, that merges to 2 x 2 and 1 x 1.
    @Test func tokenMaps() throws {
        let network = try openNetwork("swin/base")
        let runner = network.runner()
        _ = try runner.run([Self.image(12, 12), Self.image(3, 8)], .vectors(VectorOptions()))
        #expect(try runner.tokenMap(layer: 1) == Array(0..<12) + [0, 1])
        #expect(try runner.tokenMap(layer: 2) == [0, 0, 1, 0, 0, 1, 2, 2, 3, 2, 2, 3] + [0, 0])
        #expect(try runner.tokenMap(layer: nil) == Array(repeating: 0, count: 14))
    }

    /// Swin-T at 224 x 224, published as 4.5 G; the pairs that a shifted window masks are not counted.
    @Test func publishedWork() throws {
        let config: JSON = ["model_type": "swin"]
        let architecture = try Families.architecture(JSONFields(config, name: "config.json"), TensorNames([]))
        let outline = try NetworkOutline(architecture)
        #expect(outline.imageTokens == 3136 && outline.imageTokensByLayer?.last == 49)
        #expect(abs(outline.multiplyAdds(tokens: 3136) * 1e-9 - 4.5) < 0.06)
    }

    @Test func heldApartFromOtherNetworks() throws {
        func refusal(_ directory: String, _ change: (inout Architecture) throws -> Void) throws -> String? {
            var architecture = try openNetwork(directory).weights.architecture
            try change(&architecture)
            return failure { _ = try NetworkOutline(architecture) }?.message
        }
        func setting(_ key: String, _ value: JSON, at index: Int, of architecture: inout Architecture) throws {
            var block = try #require(architecture.blocks[index].node.object)
            var sublayers = try #require(block["sublayers"]?.array)
            var sublayer = try #require(sublayers[0].object)
            var mixer = try #require(sublayer["mixer"]?.object)
            mixer[key] = value
            sublayer["mixer"] = .object(mixer)
            sublayers[0] = .object(sublayer)
            block["sublayers"] = .array(sublayers)
            architecture.blocks[index].node = .object(block)
        }
        // A class token and words have no place in a grid.
        for directory in ["vit/base", "bert/base"] {
            let message = try refusal(directory) { try setting("windows", ["size": 2], at: 0, of: &$0) }
            #expect(message?.contains("patches of an image") == true)
        }
        let biased = try refusal("swin/base") { try setting("windows", ["size": 4], at: 0, of: &$0) }
        #expect(biased?.contains("windows of 3, found 4") == true)
        let shifted = try refusal("swin/base") { try setting("windows", ["size": 3, "shift": 3], at: 0, of: &$0) }
        #expect(shifted?.contains("shift") == true)
        let wide = try refusal("swin/base") { $0.blocks.remove(at: 1) }
        #expect(wide?.contains("elements") == true)
        let short = try refusal("swin/base") {
            $0.blocks.removeLast(2); $0.hiddenSize = 6
        }
        #expect(short?.contains("the last block gives 24 elements, hidden_size is 6") == true)
    }
}
