import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingElastic
import NestlingModels
import NestlingTestSupport
import Testing

/// A submodel, saved and read again.
struct Saved {
    let directory: TemporaryDirectory
    let path: String
    let network: Network

    /// Saves `view` to a new directory.
    init(_ view: Network) throws {
        directory = try TemporaryDirectory()
        path = directory.file("saved")
        try SubmodelWriter(view).write(to: path, overwrites: false, progress: nil)
        network = try openNetwork(path)
    }

    /// Whether `config.json` alone says everything.
    var isPlain: Bool { !TemporaryDirectory.names(path).contains(NestlingSettings.fileName) }

    /// What `nestling.json` says that transformers cannot express.
    var notInTransformers: [String] {
        get throws { try NestlingSettings(DirectorySource(path: path)).notInTransformers }
    }
}

/// Expects two networks to give the same: hidden states of every layer, vectors and scores, to the bit.
func expectSameResults(_ found: Network, _ expected: Network, seed: UInt64, _ what: String) throws {
    #expect(found.blocks.count == expected.blocks.count, "\(what)")
    #expect(found.parameters == expected.parameters, "\(what)")
    #expect(found.blocks.map(\.width) == expected.blocks.map(\.width), "\(what)")
    #expect(found.blocks.map(\.heads) == expected.blocks.map(\.heads), "\(what)")
    #expect(found.kept.outputDimensions == expected.kept.outputDimensions, "\(what)")
    let sequences = TokenSequences(for: expected, lengths: [1, 2, 17, 33], seed: seed)
    let requests =
        (0...min(found.blocks.count, expected.blocks.count)).map { Request.states(layer: $0, unmerged: false) }
        + [.vectors(VectorOptions())] + expected.weights.architecture.heads.keys.map { .scores($0, unmerged: false) }
    let (left, right) = (found.runner(), expected.runner())
    for request in requests {
        expectSameBits(try left.run(sequences, request), try right.run(sequences, request), "\(what) \(request)")
    }
}
