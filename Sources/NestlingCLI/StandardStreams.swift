import Glibc
import Nestling

/// Standard output, written in large pieces.
enum StandardOutput {
    private nonisolated(unsafe) static var buffer: [UInt8] = []
    private static let pieceSize = 1 << 16

    /// Whether people read it.
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Writes text.
    static func write(_ text: String) throws(Failure) { try write(text.utf8) }

    /// Writes bytes.
    static func write(_ bytes: some Sequence<UInt8>) throws(Failure) {
        buffer.append(contentsOf: bytes)
        if buffer.count >= pieceSize { try flush() }
    }

    /// Writes a JSON document, indented for people who look at it.
    static func write(_ document: JSON) throws(Failure) { try write(document.serialized(pretty: true) + "\n") }

    /// Hands everything written so far to the system.
    static func flush() throws(Failure) {
        let bytes = buffer
        buffer.removeAll(keepingCapacity: true)
        try bytes.writeAll(to: STDOUT_FILENO, "standard output")
    }
}

/// Standard error: what people are told beside the result. Failures to write there have nowhere to be told.
enum StandardError {
    /// Whether people read it.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes text at once.
    static func write(_ text: String) { try? Array(text.utf8).writeAll(to: STDERR_FILENO, "standard error") }
}

extension [UInt8] {
    /// Writes all bytes to an open file, which messages call `name`.
    func writeAll(to descriptor: Int32, _ name: String) throws(Failure) {
        var written = 0
        while written < count {
            let step = withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, count - written) }
            if step >= 0 {
                written += step
                continue
            }
            let code = errno
            switch code {
            case EINTR: try Interruption.check()
            case EPIPE where descriptor == STDOUT_FILENO: throw Interruption.pipeClosed()
            default: throw .system("cannot write to \(name)", code)
            }
        }
    }
}

extension Failure {
    /// The operating system refused: what, and why.
    static func system(_ what: String, _ code: Int32) -> Failure {
        let reason = strerror(code).map { String(cString: $0) } ?? "error \(code)"
        return Failure(code == ENOENT || code == ENOTDIR ? .notFound : .io, "\(what): \(reason)")
    }
}

/// Colours, for terminals whose users have not asked for none.
enum Style {
    /// What goes before an error, on standard error.
    static func error(_ text: String) -> String { styled(text, "31", StandardError.isTerminal) }

    /// A good result, on standard output.
    static func good(_ text: String) -> String { styled(text, "32", StandardOutput.isTerminal) }

    /// A bad result, on standard output.
    static func bad(_ text: String) -> String { styled(text, "31", StandardOutput.isTerminal) }

    /// A title, on standard output.
    static func title(_ text: String) -> String { styled(text, "1", StandardOutput.isTerminal) }

    private static func styled(_ text: String, _ code: String, _ isTerminal: Bool) -> String {
        let isRefused = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
        guard isTerminal, !isRefused, getenv("TERM").map({ String(cString: $0) }) != "dumb" else { return text }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }
}
