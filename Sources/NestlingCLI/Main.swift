import ArgumentParser
import Glibc
import Nestling

/// Where the command begins and ends: one line on standard error and an exit status that tells what went wrong.
@main enum Main {
    static func main() {
        do {
            try requireUTF8Arguments()
            var command = try NestlingCommand.parseAsRoot()
            try command.run()
            try StandardOutput.flush()
        } catch {
            end(with: error)
        }
    }

    /// Swift repairs arguments that are not UTF-8, and would then look for files of other names: such are refused.
    private static func requireUTF8Arguments() throws(Failure) {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            guard String(validatingCString: argument) != nil else {
                throw Failure(.invalidArgument, "argument \(index) is not UTF-8")
            }
        }
    }

    private static func end(with error: any Error) -> Never {
        if let failure = error as? Failure {
            if Interruption.signal != SIGPIPE { report(failure.message) }
            exit(ExitStatus.of(failure))
        }
        if error is ReportedProblems { exit(ExitStatus.badData) }
        let status = NestlingCommand.exitCode(for: error)
        if status.isSuccess {
            // Help, version and completion scripts arrive as errors, too.
            let text = NestlingCommand.fullMessage(for: error)
            try? StandardOutput.write(text.hasSuffix("\n") ? text : text + "\n")
            try? StandardOutput.flush()
            exit(0)
        }
        let commands = NestlingCommand.configuration.subcommands.compactMap { $0.configuration.commandName }
        let command = CommandLine.arguments.dropFirst().first.flatMap { commands.contains($0) ? " " + $0 : nil } ?? ""
        report(NestlingCommand.message(for: error) + " (see nestling\(command) --help)")
        exit(status.rawValue)
    }

    /// Writes `nestling: message` to standard error: one line, whatever the message repeats of a file.
    private static func report(_ message: String) {
        var message = message.split(separator: "\n").joined(separator: " ").printable
        while message.hasSuffix(".") { message.removeLast() }
        StandardError.write(Style.error("nestling:") + " \(message)\n")
    }
}

/// Thrown by a command that has told of problems in a checkpoint as its result.
struct ReportedProblems: Error {}

/// The exit statuses, as in `sysexits.h` where that has one.
enum ExitStatus {
    static let badData: Int32 = 65

    /// The status for a failure.
    static func of(_ failure: Failure) -> Int32 {
        switch failure.kind {
        case .invalidArgument: 64
        case .corrupt, .unsupported: badData
        case .notFound: 66
        case .bufferTooSmall, .internal: 70
        case .outOfMemory: 71
        case .io: 74
        case .cancelled: 128 + (Interruption.signal == 0 ? SIGINT : Interruption.signal)
        }
    }

    /// What `--help` says of them.
    static let help = """
        EXIT STATUS
          0    success
          64   usage: an argument that cannot be meant
          65   bad data: a damaged or unsupported checkpoint, a text that is not UTF-8
          66   not found: a file, tensor, tokenizer or prompt
          70   a mistake of the program itself: please report it
          71   out of memory
          74   the operating system refused to read or write
          130  interrupted by Ctrl-C; by signal n: 128 + n
        """
}
