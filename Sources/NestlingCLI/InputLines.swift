import Glibc
import Nestling

/// One text to embed, and where it came from.
struct InputText {
    /// UTF-8.
    var bytes: [UInt8]
    /// What messages call it: `texts.txt:12`.
    var place: String
}

/// The lines of a file or of standard input, in chunks, so that input of any length takes little memory.
final class InputLines {
    /// Lines longer than this are refused.
    static let longestLine = 1 << 28

    private let name: String
    private let descriptor: Int32
    private let size: Int?
    private var buffer: [UInt8] = []
    private var line = 0
    private var bytesRead = 0
    private var hasEnded = false

    /// Opens the file `path`; `-`: standard input.
    init(path: String) throws(Failure) {
        if path == "-" {
            (name, descriptor, size) = ("standard input", STDIN_FILENO, nil)
            return
        }
        name = path.printable
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open \(path)", errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
            close(descriptor)
            throw Failure(.invalidArgument, "\(path): expected a file of texts, found a directory")
        }
        size = status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
    }

    deinit { if descriptor != STDIN_FILENO { close(descriptor) } }

    /// Whether standard input is a terminal.
    static var isTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    /// How much of the input has been read; `nil`: nobody knows how much there is.
    var share: Double? { size.map { $0 > 0 ? Double(bytesRead - buffer.count) / Double($0) : 1 } }

    /// The next lines, without line ends (LF or CR LF): at most `most`, and of `mostBytes` bytes if not only one. Fewer if
    /// the input has no more for now, so that a program that writes one line gets its answer. Empty at the end.
    func next(_ most: Int, mostBytes: Int) throws(Failure) -> [InputText] {
        var texts: [InputText] = []
        var taken = 0
        var bytes = 0
        /// Up to here there is no line end after `taken`.
        var searched = 0
        while texts.count < most, bytes < mostBytes {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                texts.append(try text(buffer[taken..<end]))
                bytes += end - taken
                taken = end + 1
                searched = taken
                continue
            }
            if hasEnded {
                if taken < buffer.count { texts.append(try text(buffer[taken...])) }
                taken = buffer.count
                break
            }
            if !texts.isEmpty, !isReadable { break }
            buffer.removeSubrange(..<taken)
            taken = 0
            searched = buffer.count
            guard buffer.count <= InputLines.longestLine else {
                throw Failure(.corrupt, "\(name):\(line + 1): the line is longer than \(InputLines.longestLine) bytes")
            }
            try fill()
        }
        buffer.removeSubrange(..<taken)
        return texts
    }

    private func text(_ bytes: ArraySlice<UInt8>) throws(Failure) -> InputText {
        line += 1
        var bytes = bytes
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        // A byte order mark belongs to the file, not to its first text.
        if line == 1, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        let text = InputText(bytes: Array(bytes), place: "\(name):\(line)")
        do {
            _ = try UTF8Span(validating: text.bytes.span)
        } catch {
            throw Failure(.corrupt, "\(text.place): not UTF-8 (byte \(error.byteOffsets.lowerBound + 1) of the line)")
        }
        return text
    }

    private var isReadable: Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, 0) > 0
    }

    private func fill() throws(Failure) {
        let piece = 1 << 16
        let old = buffer.count
        buffer.append(contentsOf: repeatElement(0, count: piece))
        var count = -1
        var code: Int32 = EINTR
        while count < 0, code == EINTR {
            try Interruption.check()
            count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress.map { $0 + old }, piece) }
            code = errno
        }
        buffer.removeLast(piece - max(0, count))
        guard count >= 0 else { throw .system("cannot read \(name)", code) }
        bytesRead += count
        hasEnded = count == 0
    }
}
