import NestlingBasics
import NestlingCheckpoints
import Glibc
import Testing

struct SafetensorsWriterTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.path + "/model.safetensors" }

    init() throws { directory = try TemporaryDirectory() }

    private let declarations: [SafetensorsWriter.Declaration] = [
        .init(name: "a", type: .float32, shape: [2, 3]), .init(name: "empty", type: .float16, shape: [0]),
        .init(name: "quote\"d é", type: .bfloat16, shape: [3]), .init(name: "scalar", type: .uint8, shape: []),
    ]

    @Test(arguments: [1, 7, 31, 100])
    func roundTrips(pieceSize: Int) throws {
        let writer = try SafetensorsWriter(path: path, tensors: declarations, metadata: [("format", "pt")])
        let data = (0..<31).map { UInt8($0) }
        #expect(writer.remainingCount == 31)
        for start in stride(from: 0, to: data.count, by: pieceSize) {
            try data[start..<min(start + pieceSize, data.count)].withUnsafeBytes { try writer.write($0) }
        }
        #expect(directory.names != ["model.safetensors"])
        try writer.finish()
        #expect(directory.names == ["model.safetensors"])

        let source = try DirectorySource(path: directory.path)
        let contents = try Safetensors(file: #require(try source.file("model.safetensors")))
        #expect(contents.metadata.map(\.key) == ["format"])
        #expect(contents.tensors.map(\.name) == declarations.map(\.name))
        #expect(contents.tensors.map(\.shape) == declarations.map(\.shape))
        #expect(contents.tensors.map(\.type) == declarations.map(\.type))
        #expect(contents.tensors.flatMap { Array($0.bytes) } == data)
        #expect(contents.tensors.first.map { $0.range.lowerBound % 64 } == 0)
    }

    @Test func writesNoTensors() throws {
        try SafetensorsWriter(path: path, tensors: []).finish()
        #expect(try Checkpoint(source: DirectorySource(path: directory.path)).count == 0)
    }

    @Test func leavesNothingBehindWhenDropped() throws {
        do {
            let writer = try SafetensorsWriter(path: path, tensors: declarations)
            #expect(directory.names.count == 1)
            _ = writer.remainingCount
        }
        #expect(directory.names == [])
    }

    @Test func replacesOnlyWhenFinished() throws {
        try directory.write("old".utf8, to: "model.safetensors")
        do {
            let writer = try SafetensorsWriter(path: path, tensors: declarations)
            #expect(failure { try writer.finish() }?.kind == .invalidArgument)
            #expect(failure { try writer.finish() }?.message.contains("finished, or writing it has failed") == true)
        }
        #expect(directory.names == ["model.safetensors"])
        let source = try DirectorySource(path: directory.path)
        #expect(try source.file("model.safetensors").map { Array($0.bytes) } == Array("old".utf8))
    }

    @Test func refusesMoreThanDeclared() throws {
        let writer = try SafetensorsWriter(path: path, tensors: declarations)
        let data = [UInt8](repeating: 0, count: 32)
        #expect(failure { try data.withUnsafeBytes { try writer.write($0) } }?.kind == .invalidArgument)
        #expect(directory.names == [])
        #expect(failure { try writer.write(UnsafeRawBufferPointer(start: nil, count: 0)) }?.kind == .invalidArgument)
    }

    @Test func refusesDeclarationsThatCannotBe() {
        let wrong: [[SafetensorsWriter.Declaration]] = [
            [.init(name: "a", type: .float32, shape: [-1])], [.init(name: "__metadata__", type: .float32, shape: [1])],
            [.init(name: "a", type: .float32, shape: [1]), .init(name: "a", type: .float32, shape: [1])],
            [.init(name: "a", type: .float4, shape: [1])],
        ]
        for declarations in wrong {
            #expect(
                failure { _ = try SafetensorsWriter(path: path, tensors: declarations) }?.kind == .invalidArgument)
        }
        let huge: [[SafetensorsWriter.Declaration]] = [
            [.init(name: "a", type: .float32, shape: [.max, .max])], [.init(name: "a", type: .float32, shape: [.max])],
            [.init(name: "a", type: .uint8, shape: [.max]), .init(name: "b", type: .uint8, shape: [1])],
        ]
        for declarations in huge {
            #expect(throws: Failure.self) { try SafetensorsWriter(path: path, tensors: declarations) }
        }
        #expect(directory.names == [])
    }

    @Test func reportsWhatTheSystemSays() throws {
        #expect(failure { _ = try SafetensorsWriter(path: "/nowhere/at/all", tensors: []) }?.kind == .io)
        #expect(failure { _ = try SafetensorsWriter(path: "", tensors: []) }?.kind == .invalidArgument)
        #expect(failure { _ = try SafetensorsWriter(path: "/tmp/a\0b", tensors: []) }?.kind == .invalidArgument)
        directory.makeFolder("model.safetensors")
        let writer = try SafetensorsWriter(path: path, tensors: [])
        let trouble = failure { try writer.finish() }
        #expect(trouble?.kind == .io)
        #expect(trouble?.message.contains("cannot rename") == true)
        #expect(directory.names == ["model.safetensors"])
    }

    /// A limit on file sizes stands for a full disk: the write is cut short, and then fails.
    @Test func reportsAFullDisk() async throws {
        await #expect(processExitsWith: .success) {
            let directory = try #require(makeTemporaryDirectory())
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 1000, rlim_max: 1000)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let writer = try SafetensorsWriter(
                path: directory + "/full", tensors: [.init(name: "a", type: .uint8, shape: [5000])])
            let data = [UInt8](repeating: 0, count: 5000)
            var trouble: Failure?
            do {
                try data.withUnsafeBytes { try writer.write($0) }
            } catch { trouble = error as? Failure }
            // Removing the directory works only if nothing is left in it.
            exit(rmdir(directory) == 0 && trouble?.kind == .io ? 0 : 1)
        }
    }
}
