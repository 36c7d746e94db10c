import NestlingBasics
import Glibc
import NestlingTestSupport
import Testing

/// How the command behaves among other programs: statuses, streams, signals.
@Suite struct BehaviourTests {
    private let sentences = Fixtures.path("sentence-transformers/dense")

    @Test func versionAndHelp() throws {
        let version = try Command.run("--version")
        #expect(version.status == 0 && version.text.hasPrefix("nestling 0.") && version.lines.count == 1)
        let help = try Command.run("--help")
        #expect(help.status == 0 && help.errors.isEmpty)
        for word in [
            "inspect", "embed", "submodel", "tokenize", "tokens", "bench", "check", "EXIT STATUS", "NO_COLOR", "74",
        ] {
            #expect(help.text.contains(word))
        }
        for command in ["inspect", "embed", "submodel", "tokenize", "tokens", "bench", "check"] {
            let help = try Command.run(command, "--help")
            #expect(help.status == 0 && help.text.contains("EXAMPLES"))
        }
    }

    static let mistakes: [(status: Int32, arguments: String)] = [
        (64, "fly"), (64, "embed"), (64, "inspect x --wings"), (64, "embed x --threads 0"), (64, "embed x --ffn 1.5"),
        (64, "embed x --json --csv"), (64, "submodel x y"), (64, "bench x --tokens 0"), (64, "embed x --layers 3-1"),
        (66, "inspect /nowhere"), (66, "embed /nowhere text"), (66, "check /nowhere"), (66, "bench /nowhere"),
        (66, "submodel /nowhere /nowhere-either --ffn 0.5"), (66, "embed x --file /nowhere"), (64, "inspect /dev/null"),
        (64, "tokenize"), (66, "tokenize /nowhere x"), (64, "tokenize x y --count --jsonl"),
        (64, "tokenize x y --left"),
        (64, "tokenize x --decode 1 --count"), (64, "tokenize x y --max-tokens 0"), (64, "tokenize x y --bytes"),
    ]

    @Test(arguments: mistakes) func errorsAreOneLineAndHaveAStatus(_ status: Int32, _ arguments: String) throws {
        let outcome = try Command.run(arguments.split(separator: " ").map { String($0) })
        #expect(outcome.status == status)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("nestling: ") && outcome.errors.hasSuffix("\n"), "\(outcome.errors)")
        #expect(outcome.errors.filter { $0 == "\n" }.count == 1 && !outcome.errors.hasSuffix(".\n"))
    }

    @Test func damagedCheckpointsAreBadData() throws {
        let folder = try TemporaryFolder()
        let source = Fixtures.path("bert/base")
        let weights = try TemporaryFolder.read(source + "/model.safetensors")
        try folder.write("config.json", try TemporaryFolder.read(source + "/config.json"))
        try folder.write("model.safetensors", Array(weights.dropLast(4)))
        for command in ["inspect", "bench"] {
            let outcome = try Command.run(command, folder.path(""))
            #expect(outcome.status == 65 && outcome.output.isEmpty)
        }
        let check = try Command.run("check", folder.path(""), "--json")
        #expect(check.status == 65 && check.errors.isEmpty)
        let document = try JSON.parse(check.text, name: "output")
        #expect(document["valid"]?.bool == false && document["problems"]?.array?.count == 1)
    }

    @Test func checkLooksAtValuesAndTokenizers() throws {
        let whole = try Command.run("check", sentences, "--values")
        #expect(whole.status == 0 && whole.text.hasPrefix("ok  bert") && whole.text.contains("205 tokens"))
        let folder = try TemporaryFolder()
        let source = Fixtures.path("bert/base")
        var weights = try TemporaryFolder.read(source + "/model.safetensors")
        // The first tensor, which begins after the header, is a weight of the network; an infinity in it.
        let header = 8 + (0..<8).reduce(0) { $0 | Int(weights[$1]) << (8 * $1) }
        weights.replaceSubrange(header..<header + 4, with: [0, 0, 0x80, 0x7F])
        try folder.write("config.json", try TemporaryFolder.read(source + "/config.json"))
        try folder.write("model.safetensors", weights)
        #expect(try Command.run("check", folder.path("")).status == 0)
        let values = try Command.run("check", folder.path(""), "--values")
        #expect(values.status == 65 && values.text.contains("element 0 is not a finite number"))
        try folder.write("tokenizer.json", Array("{".utf8))
        let outcome = try Command.run("check", folder.path(""))
        #expect(outcome.status == 65 && outcome.text.contains("tokenizer.json"))
    }

    @Test func interruptionEndsWork() throws {
        let folder = try TemporaryFolder()
        #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
        // Open for both directions, or opening would wait for the command.
        let pipe = open(folder.path("pipe"), O_RDWR)
        defer { close(pipe) }
        let process = try Running(
            ["embed", sentences, "--npy", folder.path("vectors.npy")], input: folder.path("pipe"))
        let isWaiting = try waitUntil { try folder.names().count == 2 }
        #expect(isWaiting, "the command did not begin to write")
        kill(process.process, SIGINT)
        let outcome = try process.wait()
        #expect(outcome.status == 130)
        #expect(outcome.errors == "nestling: interrupted\n")
        #expect(try folder.names() == ["pipe"])
    }

    @Test func answersLineByLine() throws {
        let folder = try TemporaryFolder()
        #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
        let writing = open(folder.path("pipe"), O_RDWR)
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        let process = try Running(["embed", sentences], input: folder.path("pipe"), outputDescriptor: ends[1])
        close(ends[1])
        var byte: UInt8 = 0
        for _ in 0..<2 {
            #expect(write(writing, "a bird\n", 7) == 7)
            repeat { try #require(read(ends[0], &byte, 1) == 1) } while byte != 0x0A
        }
        kill(process.process, SIGTERM)
        #expect(try process.wait().status == 128 + SIGTERM)
        close(ends[0])
        close(writing)
    }

    @Test func endsQuietlyWhenNobodyReads() throws {
        let folder = try TemporaryFolder()
        try folder.write("texts", Array(String(repeating: "a bird\n", count: 20_000).utf8))
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        let process = try Running(["embed", sentences], input: folder.path("texts"), outputDescriptor: ends[1])
        close(ends[1])
        close(ends[0])
        let outcome = try process.wait()
        #expect(outcome.status == 128 + SIGPIPE && outcome.errors.isEmpty)
    }

    /// Waits for a condition, ten seconds at most.
    private func waitUntil(_ condition: () throws -> Bool) throws -> Bool {
        for _ in 0..<1000 {
            if try condition() { return true }
            usleep(10_000)
        }
        return false
    }
}
