import NestlingBasics
import NestlingCheckpoints
import NestlingElastic
import NestlingModels
import NestlingTestSupport
import Testing

/// Submodels against the NumPy encoder of Tests/Reference: relative error at most 1e-4, cosine at least 0.99999. A view and
/// its saved checkpoint alike.
@Suite struct SubmodelGoldenTests {
    static let cases: [(directory: String, name: String)] = ["bert/base", "modernbert/base", "mpnet/base"].flatMap {
        directory in
        let json = try? DirectorySource(path: Fixtures.path(directory)).json("submodel.json")
        return (json?.object?.members ?? []).map { (directory, $0.key) }
    }

    @Test func allCasesAreFound() { #expect(Self.cases.count == 8) }

    @Test(arguments: cases) func agrees(_ directory: String, _ name: String) throws {
        let json = try #require(try DirectorySource(path: Fixtures.path(directory)).json("submodel.json")?[name])
        func numbers(_ key: String) -> [Int]? { json[key]?.array?.compactMap(\.int) }
        var spec = SubmodelSpec()
        spec.layers = numbers("layers")
        spec.widths = numbers("ffn_widths").map { .exact($0) } ?? .all
        spec.heads = numbers("heads").map { .exact($0) } ?? .all
        let view = try openNetwork(directory).submodel(spec)
        let golden = try Golden(directory, file: "submodel.safetensors")
        let sequences = try TokenSequences(golden, for: view)
        let expected = try #require(golden.floats("\(name).states"))
        for network in [view, try Saved(view).network] {
            let found = try network.runner().run(sequences, .states(layer: network.blocks.count, unmerged: false))
                .flatMap { $0 }
            #expect(Agreement.relativeError(found, expected) <= 1e-4)
            #expect(Agreement.cosine(found, expected) >= 0.99999)
        }
    }
}
