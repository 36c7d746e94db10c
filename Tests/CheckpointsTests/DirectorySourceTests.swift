import NestlingBasics
import NestlingCheckpoints
import Glibc
import Testing

struct DirectorySourceTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test(arguments: [true, false])
    func readsAndMaps(map: Bool) throws {
        let large = [UInt8](repeating: 7, count: (1 << 20) + 5000)
        try directory.write(large, to: "large")
        try directory.write("small".utf8, to: "small")
        try directory.write([], to: "empty")
        let source = try DirectorySource(path: directory.path, map: map)
        let file = try #require(try source.file("large"))
        #expect(file.name == "large")
        #expect(file.bytes.elementsEqual(large))
        // Given back, the pages are read from the file again.
        for range in [0..<large.count, 1..<5000, 4096..<8192, 0..<0, large.count..<large.count, -5..<10, 5..<Int.max] {
            file.discardPages(range)
            #expect(file.bytes.elementsEqual(large))
        }
        #expect(try source.file("small").map { Array($0.bytes) } == Array("small".utf8))
        #expect(try source.file("empty").map { $0.bytes.count } == 0)
        #expect(try source.file("absent") == nil)
        #expect(try source.file("small/below") == nil)
        #expect(source.contains("small") && source.contains("empty") && !source.contains("absent"))
    }

    @Test(arguments: [
        "", "..", "../x", "/etc/passwd", "a/../b", "a//b", "a/", "./a", ".", "a\0b", "a/..", "a\nb", "\u{7F}",
    ])
    func refusesNamesThatLeave(name: String) throws {
        let source = try DirectorySource(path: directory.path)
        #expect(failure { _ = try source.file(name) }?.kind == .corrupt)
        #expect(!source.contains(name))
    }

    @Test func refusesWhatIsNoRegularFile() throws {
        directory.makeFolder("folder")
        mkfifo(directory.path + "/pipe", 0o644)
        symlink("/dev/zero", directory.path + "/zero")
        symlink("loop", directory.path + "/loop")
        symlink("absent", directory.path + "/dangling")
        let source = try DirectorySource(path: directory.path)
        for name in ["folder", "pipe", "zero"] {
            #expect(failure { _ = try source.file(name) }?.kind == .corrupt, "\(name)")
            #expect(!source.contains(name))
        }
        #expect(failure { _ = try source.file("loop") }?.kind == .io)
        #expect(try source.file("dangling") == nil)
    }

    @Test func followsLinks() throws {
        try directory.write("x".utf8, to: "blob")
        symlink("blob", directory.path + "/link")
        let source = try DirectorySource(path: directory.path)
        #expect(try source.file("link").map { Array($0.bytes) } == Array("x".utf8))
        #expect(source.contains("link"))
    }

    @Test func namesMissingDirectories() throws {
        let missing = directory.path + "/missing"
        #expect(
            failure { _ = try DirectorySource(path: missing) } == Failure(.notFound, "\(missing): no such directory"))
        #expect(failure { _ = try DirectorySource(path: "") }?.kind == .invalidArgument)
        #expect(failure { _ = try DirectorySource(path: "/tmp\0") }?.kind == .invalidArgument)
        try directory.write("x".utf8, to: "file")
        #expect(failure { _ = try DirectorySource(path: directory.path + "/file") }?.kind == .invalidArgument)
    }

    @Test(.enabled(if: geteuid() != 0, "root may read everything"))
    func saysWhatTheSystemSays() throws {
        try directory.write("x".utf8, to: "secret")
        chmod(directory.path + "/secret", 0)
        let source = try DirectorySource(path: directory.path)
        let trouble = failure { _ = try source.file("secret") }
        #expect(trouble?.kind == .io)
        #expect(trouble?.message.hasSuffix("cannot open: Permission denied") == true)
    }

    @Test func readsFromMemory() throws {
        let source = memory(texts: ["config.json": "{\"a\": 1}", "bad.json": "{", "list.json": "[]"])
        #expect(try source.fields("config.json")?.integer("a", in: 0...9) == 1)
        #expect(try source.json("absent.json") == nil)
        #expect(try source.fields("absent.json") == nil)
        #expect(failure { _ = try source.json("bad.json") }?.message.hasPrefix("bad.json: line 1") == true)
        #expect(failure { _ = try source.fields("list.json") }?.kind == .corrupt)
        #expect(source.contains("config.json") && !source.contains("../config.json"))
        #expect(source.path == "memory")
    }
}
