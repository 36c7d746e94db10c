import NestlingBasics
import NestlingCheckpoints
import Glibc
import NestlingModels
import NestlingTestSupport
import Testing

/// The architectures of the fixtures, against committed text: `Tests/Architectures/<family>.json`. What a family reads from
/// its config, and how it names its tensors, changes knowingly or not at all.
///
///     NESTLING_WRITE_ARCHITECTURES=1 swift test --filter ArchitectureTests        writes them anew
@Suite struct ArchitectureTests {
    static let directory = Fixtures.path("../Architectures")

    /// The whole architecture of the base checkpoint, and of the others what their heads add.
    private func text(_ family: String) throws -> String {
        var all = JSONObject()
        for directory in GoldenTests.checkpoints + VisionGoldenTests.checkpoints where directory.hasPrefix(family + "/")
        {
            let source = try DirectorySource(path: Fixtures.path(directory))
            let architecture = try CheckpointDescription(source).architecture
            let again = try Architecture(JSONFields(architecture.json, name: "again"))
            #expect(again == architecture)
            guard !directory.hasSuffix("/base") else {
                all["base"] = architecture.json
                continue
            }
            var heads = JSONObject()
            for key in ["pooler", "heads", "default_head", "labels"] { heads[key] = architecture.json[key] }
            all[String(directory.dropFirst(family.count + 1))] = .object(heads)
        }
        return JSON.object(all).serialized(pretty: true) + "\n"
    }

    @Test(arguments: Fixtures.towerFamilies) func towersAreAsCommitted(_ family: String) throws {
        let source = try DirectorySource(path: Fixtures.path(family + "/base"))
        var all = JSONObject()
        for architecture in try CheckpointDescription.all(in: source).map(\.architecture) {
            let again = try Architecture(JSONFields(architecture.json, name: "again"))
            #expect(again == architecture)
            all[architecture.tower?.rawValue ?? ""] = architecture.json
        }
        try expect(JSON.object(all).serialized(pretty: true) + "\n", isCommittedAs: family)
    }

    @Test(arguments: Fixtures.families + Fixtures.visionFamilies) func isAsCommitted(_ family: String) throws {
        try expect(text(family), isCommittedAs: family)
    }

    private func expect(_ found: String, isCommittedAs family: String) throws {
        let path = "\(Self.directory)/\(family).json"
        if getenv("NESTLING_WRITE_ARCHITECTURES") != nil {
            mkdir(Self.directory, 0o777)
            try TemporaryDirectory.write(found, to: path)
        }
        let file = try #require(
            try DirectorySource(path: Self.directory).file("\(family).json"), "\(family).json is missing")
        let isSame = String(decoding: file.bytes, as: UTF8.self) == found
        #expect(isSame, "\(family).json differs; write it anew and look at what git says")
    }
}
