import NestlingBasics
import NestlingCheckpoints
import NestlingModels
import NestlingTestSupport
import Testing

/// Token merging in a ViT from pixels to the states of every layer, against the NumPy implementation of Tests/Reference: every
/// case of `tome.json`, all images in one batch. Maps are equal; states differ by at most 1e-4, relatively, with cosines of at
/// least 0.99999.
@Suite struct ImageMergingTests {
    static let cases = ["most", "plain_attention", "r2", "r5"]

    @Test func allCasesAreFound() throws {
        let json = try DirectorySource(path: Fixtures.path("vit/base")).json("tome.json")
        #expect(json?.object?.members.map(\.0).sorted() == Self.cases)
    }

    @Test(arguments: cases) func agrees(_ name: String) throws {
        let golden = try Golden("vit/base", file: "tome.safetensors")
        let network = try openNetwork("vit/base")
        let json = try DirectorySource(path: Fixtures.path("vit/base")).json("tome.json")
        let reducer = try Reducers.reducer(json: json?[name]?.serialized() ?? "")
        let images = try FixtureImages.load(golden, prefix: "pixels.", count: 3)
        let runner = network.runner()
        for layer in 1...network.blocks.count {
            let states = try runner.run(images, .states(layer: layer, unmerged: false), reducer: reducer)
            let expectedMaps = try images.indices.map { try #require(golden.integers("\(name).map.\(layer).\($0)")) }
            #expect(try runner.tokenMap(layer: layer) == expectedMaps.flatMap { $0 }, "layer \(layer)")
            for (index, found) in states.enumerated() {
                let expected = try #require(golden.floats("\(name).states.\(layer).\(index)"))
                #expect(found.count == expected.count && found.count < 17 * network.hiddenSize)
                #expect(Agreement.relativeError(found, expected) <= 1e-4, "layer \(layer), image \(index)")
                #expect(Agreement.cosine(found, expected) >= 0.99999, "layer \(layer), image \(index)")
            }
        }
    }
}
