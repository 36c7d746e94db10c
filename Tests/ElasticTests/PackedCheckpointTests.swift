import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingElastic
import NestlingModels
import NestlingTestSupport
import NestlingTensors
import Testing

/// A packed checkpoint gives the bits of the network that it was saved from, in every codec and family, whole and cut.
@Suite struct PackedCheckpointTests {
    static func open(_ path: String, as codec: Codec?) throws -> Network {
        try Network(loading: CheckpointDescription(DirectorySource(path: path)), as: codec, progress: nil)
    }

    /// `network`, saved packed and opened again.
    static func packed(_ network: Network, in directory: TemporaryDirectory, _ name: String) throws -> Network {
        let path = "\(directory.path)/\(name)"
        try PackedWriter(network, as: network.weights.precision.codec)
            .write(to: path, overwrites: false, progress: nil)
        return try open(path, as: nil)
    }

    @Test(arguments: Fixtures.families, Codec.allCases) func everyFamily(_ family: String, _ codec: Codec) throws {
        let directory = try TemporaryDirectory()
        let network = try Self.open(Fixtures.path("\(family)/base"), as: codec)
        let saved = try Self.packed(network, in: directory, "whole")
        #expect(saved.weights.isPacked && saved.weights.precision.codec == codec)
        #expect(saved.parameters == network.parameters)
        try expectSameResults(saved, network, seed: 1, "\(family) \(codec)")

        var generator = SeededGenerator(5)
        for round in 0..<3 {
            // A view of either, saved packed; and what was cut, cut once more.
            let spec = SavedSubmodelTests.randomSpec(network, &generator)
            let view = try network.submodel(spec)
            try expectSameResults(try saved.submodel(spec), view, seed: 2, "\(family) \(codec) \(spec)")
            let small = try Self.packed(view, in: directory, "small\(round)")
            try expectSameResults(small, view, seed: 3, "\(family) \(codec) \(spec)")
            let again = SavedSubmodelTests.randomSpec(small, &generator)
            let smaller = try Self.packed(small.submodel(again), in: directory, "smaller\(round)")
            try expectSameResults(smaller, try small.submodel(again), seed: 4, "\(family) \(codec) \(again)")
        }
    }

    @Test(arguments: ["bert/masked-lm", "gte/masked-lm", "albert/masked-lm", "modernbert/sequence-classification"])
    func heads(_ directory: String) throws {
        let target = try TemporaryDirectory()
        for codec in Codec.allCases {
            let network = try Self.open(Fixtures.path(directory), as: codec)
            let saved = try Self.packed(network, in: target, codec.rawValue)
            try expectSameResults(saved, network, seed: 1, "\(directory) \(codec)")
        }
    }

    @Test func whatCannotBeMeant() throws {
        let target = try TemporaryDirectory()
        let network = try Self.open(Fixtures.path("bert/base"), as: .int8)
        let saved = try Self.packed(network, in: target, "int8")
        #expect(failure { try PackedWriter(saved, as: .bfloat16) }?.kind == .unsupported)
        #expect(failure { try SubmodelWriter(saved) }?.kind == .unsupported)
        let other = failure { try Self.open("\(target.path)/int8", as: .float32) }
        #expect(other?.kind == .unsupported && other?.message.contains("int8") == true)
        _ = try Self.open("\(target.path)/int8", as: .int8)
        #expect(try CheckpointCheck(DirectorySource(path: "\(target.path)/int8"), values: true).problems == [])
    }

    @Test func damage() throws {
        let target = try TemporaryDirectory()
        let network = try Self.open(Fixtures.path("bert/base"), as: .int8)
        _ = try Self.packed(network, in: target, "int8")
        let path = "\(target.path)/int8/nestling.json"
        let file = try #require(try DirectorySource(path: "\(target.path)/int8").file("nestling.json"))
        let text = String(decoding: file.bytes, as: UTF8.self)
        for (old, new) in [
            ("\"int8\"", "\"int7\""), ("\"codec\": \"int8\"", "\"codec\": \"bfloat16\""),
            ("\"codec\": \"int8\"", "\"codec\": 8"), ("\"codec\": \"int8\"", "\"rows\": [1, 2], \"codec\": \"int8\""),
            ("\"dtype\": \"int8\"", "\"dtype\": 8"), ("\"format\": 2", "\"format\": 1"),
            ("\"format\": 2", "\"format\": 3"),
        ] {
            #expect(text.contains(old))
            try TemporaryDirectory.write(text.replacing(old, with: new, maxReplacements: 1), to: path)
            #expect(failure { try Self.open("\(target.path)/int8", as: nil) } != nil, "\(new)")
        }
    }
}
