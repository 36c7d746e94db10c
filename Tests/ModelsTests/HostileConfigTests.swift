import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingImages
import NestlingModels
import NestlingTestSupport
import Testing

/// Checkpoints with one thing wrong: a failure whose one line says something, or a network that runs. Never a trap.
@Suite struct HostileConfigTests {
    static let values = [
        "null", "-1", "0", "1", "2147483648", "9223372036854775807", "-9223372036854775808", "1e308", "NaN", "Infinity",
        "0.5", "\"\"", "\"gelu\"", "[]", "[1]", "[\"a\"]", "{}", "{\"0\":1}", "true",
    ]

    /// Opens `files` over the tensors of `whole`, and runs what opens. Returns whether it opened.
    @discardableResult
    static func open(_ checkpoint: Checkpoint, _ files: [(String, String)], _ what: String) -> Bool {
        let owned = files.map { ($0.0, Array($0.1.utf8)) }
        do {
            let source = OverlaySource(files: owned, base: checkpoint.source)
            for description in try CheckpointDescription.all(in: source) {
                try run(Network(loading: description, progress: nil))
            }
            return true
        } catch let failure as Failure {
            #expect(!failure.message.isEmpty && !failure.message.contains("\n"), "\(what): \(failure.message)")
            #expect(failure.kind != .internal && failure.kind != .cancelled, "\(what): \(failure.message)")
            return false
        } catch {
            Issue.record("\(what): \(error)")
            return false
        }
    }

    /// Two tokens, or an image whose positions are interpolated, for everything that the network gives.
    private static func run(_ network: Network) throws {
        let heads = network.weights.architecture.heads.keys.map { Request.scores($0, unmerged: false) }
        for request in [Request.vectors(VectorOptions())] + heads {
            if let format = network.weights.embedding.image {
                let image = try PreparedImage(channels: format.channels, height: 41, width: 25)
                for index in 0..<image.count { image.pointer[index] = Float(index % 7) }
                _ = try network.runner().run([image], request)
                continue
            }
            let length = min(2, network.weights.embedding.maximumTokens ?? 2)
            guard length > 0 else { continue }
            _ = try network.runner().run(TokenSequences(for: network, lengths: [length], seed: 1), request)
        }
    }

    /// How many of `items` pass `test`, which is asked on all processors.
    static func count(_ items: [JSON], where test: @escaping @Sendable (JSON) -> Bool) async -> Int {
        let share = max(1, items.count / 64)
        return await withTaskGroup(of: Int.self) { group in
            for start in stride(from: 0, to: items.count, by: share) {
                group.addTask { items[start..<min(start + share, items.count)].count(where: test) }
            }
            return await group.reduce(0, +)
        }
    }

    /// Every object, at any depth, with one member changed to each of `values` or removed.
    static func mutations(_ json: JSON, depth: Int = 0) -> [JSON] {
        var results: [JSON] = []
        switch json {
        case .object(let object):
            for (key, value) in object.members {
                var changed = object
                changed[key] = nil
                results.append(.object(changed))
                for text in values {
                    guard let new = try? JSON.parse(text, name: "value"), new != value else { continue }
                    changed[key] = new
                    results.append(.object(changed))
                }
                for inner in mutations(value, depth: depth + 1) {
                    changed[key] = inner
                    results.append(.object(changed))
                }
            }
        case .array(let elements):
            // Elements are alike: the first and the last stand for all.
            for index in Set([0, elements.count - 1]) where elements.indices.contains(index) {
                for inner in mutations(elements[index], depth: depth + 1) {
                    var changed = elements
                    changed[index] = inner
                    results.append(.array(changed))
                }
                var changed = elements
                changed.remove(at: index)
                results.append(.array(changed))
            }
        default: break
        }
        return results
    }

    @Test(
        arguments: Fixtures.families.map { "\($0)/base" } + [
            "bert/masked-lm", "modernbert/question-answering", "roberta/sequence-classification",
        ] + (Fixtures.visionFamilies + Fixtures.towerFamilies).map { "\($0)/base" } + [
            "deit/with-teacher", "dinov2/swiglu", "dinov2_with_registers/image-classification", "llama/dynamic",
            "llama/llama3", "llama/yarn", "llama/longrope", "llama/proportional", "opt/post-norm",
            "swin/even-windows",
        ])
    func configs(_ directory: String) async throws {
        let checkpoint = try Checkpoint(source: DirectorySource(path: Fixtures.path(directory)), folder: "")
        let config = try #require(try checkpoint.source.json("config.json"))
        let mutated = Self.mutations(config)
        #expect(mutated.count > 200)
        let opened = await Self.count(mutated) { Self.open(checkpoint, [("config.json", $0.serialized())], directory) }
        // Keys that only concern training open; sizes that contradict the tensors do not.
        #expect(opened > 0 && opened < mutated.count)
        for text in ["", "{", "[]", "null", "1", "{}", "\u{0}"] {
            #expect(!Self.open(checkpoint, [("config.json", text)], "\(directory): \(text)"))
        }
    }

    @Test(arguments: [
        "bert/token-classification", "modernbert/base", "mpnet/base", "vit/base", "deit/with-teacher",
        "dinov2_with_registers/image-classification", "clip/legacy", "siglip/base", "llama/longrope",
        "gpt_neox/sequential", "gemma2/causal-lm", "gemma3n/base", "swin/base", "swin/even-windows",
    ]) func architectures(_ directory: String) async throws {
        let checkpoint = try Checkpoint(source: DirectorySource(path: Fixtures.path(directory)), folder: "")
        let tower: Tower? = directory.hasPrefix("clip") ? .text : directory.hasPrefix("siglip") ? .vision : nil
        let network = try openNetwork(directory, tower: tower)
        var settings = NestlingSettings()
        settings.architecture = network.weights.architecture
        // Stages end where their rows change: of those networks all blocks stay.
        if directory == "gemma3n/base", let blocks = settings.architecture?.blocks {
            // The second one takes the keys of the first.
            settings.architecture?.blocks = [blocks[1], blocks[3]]
        } else if !network.blocks.contains(where: { $0.downsampling != nil }) {
            settings.architecture?.blocks.removeLast(max(0, network.blocks.count - 2))
        }
        settings.outputDimensions = 7
        settings.notInTransformers = ["a test"]
        let config = try checkpoint.source.json("config.json")?.serialized() ?? ""
        @Sendable func opens(_ json: JSON) -> Bool {
            Self.open(checkpoint, [("config.json", config), (NestlingSettings.fileName, json.serialized())], directory)
        }
        #expect(opens(settings.json))
        let mutated = Self.mutations(settings.json)
        #expect(mutated.count > 1000)
        let opened = await Self.count(mutated, where: opens)
        #expect(opened > 0 && opened < mutated.count)
    }

    @Test(arguments: Fixtures.families.map { "\($0)/base" } + ["bert/masked-lm", "electra/replaced-token"])
    func tensors(_ directory: String) throws {
        let whole = try TinyCheckpoint(fixture: directory)
        let used = try CheckpointCheck(whole.source, values: false)
        #expect(used.problems.isEmpty)
        for (name, values) in whole.tensors where !used.unused.contains(name) {
            var changed = whole
            changed.tensors[name] = nil
            func expectRefusal(_ what: String, names: Bool = true) {
                let failure = failure { try changed.network() }
                #expect(failure != nil && failure?.kind != .internal, "\(directory) \(name) \(what)")
                #expect(!names || failure?.message.contains(name) == true, "\(what): \(failure?.message ?? "opened")")
            }
            // Without it the checkpoint may look like another: the failure may name another tensor.
            if NestlingTestSupport.failure({ try changed.network() }) != nil { expectRefusal("missing", names: false) }
            for shape in [values.shape.map { $0 + 1 }, values.shape + [1], [values.elements.count + 1], [0], []] {
                changed.tensors[name] = .init(shape: shape, elements: Array(repeating: 1, count: shape.reduce(1, *)))
                expectRefusal("of shape \(shape)")
            }
        }
    }
}

/// Files in memory before those of another source.
private struct OverlaySource: FileSource {
    let memory: MemorySource
    let base: any FileSource

    init(files: [(String, [UInt8])], base: any FileSource) {
        let owned = OwnedFiles(files)
        memory = MemorySource(files: owned.files, owner: owned)
        self.base = base
    }

    var path: String { base.path }

    func file(_ name: String) throws(Failure) -> FileBytes? {
        if let file = try memory.file(name) { return file }
        return try base.file(name)
    }

    func contains(_ name: String) -> Bool { memory.contains(name) || base.contains(name) }
}

/// Bytes that live as long as this object.
private final class OwnedFiles: @unchecked Sendable {
    let files: [(name: String, bytes: UnsafeRawBufferPointer)]

    init(_ files: [(String, [UInt8])]) {
        self.files = files.map { name, bytes in
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
            copy.copyBytes(from: bytes)
            return (name, UnsafeRawBufferPointer(copy))
        }
    }

    deinit { for file in files { file.bytes.deallocate() } }
}
