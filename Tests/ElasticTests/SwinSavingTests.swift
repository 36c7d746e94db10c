import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingElastic
import NestlingModels
import NestlingTestSupport
import NestlingTensors
import Testing

/// Stages of different hidden sizes, saved: packed in every codec, and as submodels; the bits stay.
@Suite struct SwinSavingTests {
    private static func results(_ network: Network) throws -> [[Float]] {
        let images = try FixtureImages.load()
        let last = Request.states(layer: network.blocks.count, unmerged: false)
        return try network.runner().run(images, last) + network.runner().run(images, .vectors(VectorOptions()))
    }

    @Test(arguments: Codec.allCases) func packed(_ codec: Codec) throws {
        let directory = try TemporaryDirectory()
        for name in ["swin/base", "swin/even-windows"] {
            let network = try PackedCheckpointTests.open(Fixtures.path(name), as: codec)
            let saved = try PackedCheckpointTests.packed(network, in: directory, name.replacingSlash)
            #expect(saved.weights.isPacked && saved.parameters == network.parameters)
            let (found, expected) = (try Self.results(saved), try Self.results(network))
            #expect(found == expected, "\(name) \(codec)")
            let exact = try Self.results(openNetwork(name))
            // int4 of tiny random weights keeps little more than the direction.
            let leasts: [Codec: Double] = [.float32: 1, .bfloat16: 0.999, .int8: 0.99, .int4: 0.8]
            let least = try #require(leasts[codec])
            for (rows, reference) in zip(expected, exact) {
                #expect(Agreement.cosine(rows, reference) >= least - 1e-6, "\(name) \(codec)")
            }
            var spec = SubmodelSpec()
            spec.widths = .ratio(0.5)
            let (small, view) = (try saved.submodel(spec), try network.submodel(spec))
            #expect(try Self.results(small) == Self.results(view), "\(name) \(codec)")
            let again = try PackedCheckpointTests.packed(small, in: directory, "small-" + name.replacingSlash)
            #expect(try Self.results(again) == Self.results(view), "\(name) \(codec)")
        }
    }

    /// swin/base has stages of 2, 1 and 2 blocks.
    @Test func submodels() throws {
        let network = try openNetwork("swin/base")
        func spec(
            _ layers: [Int]? = nil, widths: SubmodelSpec.Extent = .all, heads: SubmodelSpec.Extent = .all
        ) -> SubmodelSpec {
            var spec = SubmodelSpec()
            (spec.layers, spec.widths, spec.heads) = (layers, widths, heads)
            return spec
        }
        let cases: [(SubmodelSpec, named: String?)] = [
            (spec(widths: .exact([6, 6, 12, 24, 24])), nil), (spec([0, 1, 2, 3]), nil),
            (spec([1, 2, 4]), "layers [1, 2, 4] of 5"),
            (spec(heads: .ratio(0.5)), "fewer attention heads: [1, 1, 2, 2, 2]"),
            (spec(widths: .exact([5])), "an FFN width of 5"),
            (spec([0, 1, 2, 4], widths: .exact([1, 2, 3, 4])), "FFN widths that differ by layer: [1, 2, 3, 4]"),
        ]
        for (spec, named) in cases {
            let view = try network.submodel(spec)
            let saved = try Saved(view)
            #expect(saved.isPlain == (named == nil), "\(spec)")
            #expect(try named.map { try saved.notInTransformers.contains($0) } ?? true, "\(spec)")
            #expect(try Self.results(saved.network) == Self.results(view), "\(spec)")
        }
        for layers in [[0, 2, 3, 4], [0, 1, 3, 4], [4]] {
            let refusal = failure { _ = try network.submodel(spec(layers)) }
            #expect(refusal?.kind == .invalidArgument && refusal?.message.contains("ends a stage") == true)
        }
    }
}

extension String {
    fileprivate var replacingSlash: String { String(map { $0 == "/" ? "-" : $0 }) }
}
