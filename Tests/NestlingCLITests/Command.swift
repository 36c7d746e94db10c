import Glibc
import Testing

/// The built command, run as a process.
struct Command {
    /// What a process left behind.
    struct Outcome {
        /// The exit status; 128 and the signal's number if a signal ended it.
        let status: Int32
        let output: [UInt8]
        let errors: String

        var text: String { String(decoding: output, as: UTF8.self) }
        var lines: [String] { text.split(separator: "\n").map { String($0) } }
    }

    /// Beside the test program, where SwiftPM puts all products; or what `NESTLING_COMMAND` says.
    static let path: String = {
        if let path = getenv("NESTLING_COMMAND") { return String(cString: path) }
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/nestling"
    }()

    /// Runs the command to its end.
    static func run(
        _ arguments: [String], input: [UInt8] = [], environment: [String] = []
    ) throws -> Outcome {
        let folder = try TemporaryFolder()
        try folder.write("input", input)
        let process = try Running(arguments, input: folder.path("input"), environment: environment)
        return try process.wait()
    }

    static func run(_ arguments: String..., input: String = "") throws -> Outcome {
        try run(arguments, input: Array(input.utf8))
    }
}

/// A process of the command that may still be running. Its output goes to files, or to a given descriptor.
final class Running {
    let process: pid_t
    private let folder: TemporaryFolder
    private let keepsOutput: Bool

    init(_ arguments: [String], input: String, outputDescriptor: Int32? = nil, environment: [String] = []) throws {
        folder = try TemporaryFolder()
        keepsOutput = outputDescriptor == nil
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        if let outputDescriptor {
            posix_spawn_file_actions_adddup2(&actions, outputDescriptor, 1)
        } else {
            posix_spawn_file_actions_addopen(&actions, 1, folder.path("output"), O_WRONLY | O_CREAT, 0o600)
        }
        posix_spawn_file_actions_addopen(&actions, 2, folder.path("errors"), O_WRONLY | O_CREAT, 0o600)
        // Whatever the test program ignores or blocks, the command begins as a shell would begin it.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for signal in [SIGINT, SIGPIPE, SIGTERM, SIGHUP] { sigaddset(&signals, signal) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        var words = ([Command.path] + arguments).map { strdup($0) }
        var variables = (["PATH=/usr/bin:/bin"] + environment).map { strdup($0) }
        defer { for word in words + variables { free(word) } }
        words.append(nil)
        variables.append(nil)
        var process: pid_t = 0
        let code = posix_spawn(&process, Command.path, &actions, &attributes, words, variables)
        try #require(code == 0, "cannot start \(Command.path): \(code)")
        self.process = process
    }

    func wait() throws -> Command.Outcome {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 { try #require(errno == EINTR) }
        let signal = status & 0x7F
        return Command.Outcome(
            status: signal == 0 ? status >> 8 & 0xFF : 128 + signal,
            output: keepsOutput ? try folder.read("output") : [],
            errors: String(decoding: try folder.read("errors"), as: UTF8.self))
    }
}

/// A folder for one test, removed with all that is in it.
final class TemporaryFolder {
    private let root: String

    init() throws {
        var template = Array("/tmp/nestling-command-XXXXXX".utf8CString)
        root = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit { TemporaryFolder.removeAll(root) }

    func path(_ name: String) -> String { root + "/" + name }

    /// The names of what is in it.
    func names() throws -> [String] { try #require(TemporaryFolder.names(root)) }

    private static func removeAll(_ path: String) {
        if unlink(path) == 0 { return }
        for name in names(path) ?? [] { removeAll(path + "/" + name) }
        rmdir(path)
    }

    private static func names(_ path: String) -> [String]? {
        guard let directory = opendir(path) else { return nil }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        let file = try #require(fopen(path(name), "w"))
        defer { fclose(file) }
        try #require(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    }

    func read(_ name: String) throws -> [UInt8] { try TemporaryFolder.read(path(name)) }

    static func read(_ path: String) throws -> [UInt8] {
        let file = try #require(fopen(path, "r"), "cannot open \(path)")
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            if count == 0 { return bytes }
            bytes += piece[..<count]
        }
    }
}
