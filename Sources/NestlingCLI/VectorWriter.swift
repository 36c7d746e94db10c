import Glibc
import Nestling

/// Where rows of numbers go, one after the other.
protocol VectorWriter: AnyObject {
    /// Writes the next row.
    func write(_ row: [Float]) throws(Failure)
    /// Writes what comes after the last.
    func finish() throws(Failure)
}

/// One row a line, numbers between separators; each with the fewest digits that read back as the same float.
final class LineWriter: VectorWriter {
    private let separator: UInt8
    private var line: [UInt8] = []

    /// Writes to standard output, with `separator` between numbers.
    init(separator: Character) { self.separator = separator.asciiValue ?? 0x20 }

    func write(_ row: [Float]) throws(Failure) {
        line.removeAll(keepingCapacity: true)
        for (index, value) in row.enumerated() {
            if index > 0 { line.append(separator) }
            line.append(contentsOf: value.description.utf8)
        }
        line.append(UInt8(ascii: "\n"))
        try StandardOutput.write(line)
    }

    func finish() {}
}

/// A JSON document, one row a line: `{"dimensions": 3, "vectors": [[...], ...], "count": 2}`.
final class JSONWriter: VectorWriter {
    private let head: String
    private var count = 0

    /// Writes to standard output, an array named `key` after `facts`.
    init(_ key: String, facts: [(key: String, value: JSON)]) {
        head =
            "{" + facts.map { JSON.string($0.key).serialized() + ": " + $0.value.serialized() + ", " }.joined()
            + "\"\(key)\": ["
    }

    func write(_ row: [Float]) throws(Failure) {
        try StandardOutput.write(count == 0 ? head + "\n[" : ",\n[")
        count += 1
        for (index, value) in row.enumerated() {
            if index > 0 { try StandardOutput.write(", ") }
            // JSON has no words for what is not a number.
            try StandardOutput.write(value.isFinite ? value.description : "null")
        }
        try StandardOutput.write("]")
    }

    func finish() throws(Failure) {
        try StandardOutput.write((count == 0 ? head : "\n") + "], \"count\": \(count)}\n")
    }
}

/// A NumPy file of float32 `[rows, columns]`: format 1.0, little-endian, in C order. The number of rows, known at the end,
/// is written then. The file takes its place when it is complete.
final class NumPyWriter: VectorWriter {
    private static let headerSize = 128

    private let path: String
    private let partialPath: String
    private let columns: Int
    private var descriptor: Int32
    private var rows = 0
    private var pending: [UInt8] = []

    /// Writes to `path`, which is replaced.
    init(path: String, columns: Int) throws(Failure) {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            throw Failure(.invalidArgument, "\(path): a NumPy file can only replace an ordinary file")
        }
        self.path = path
        self.columns = columns
        partialPath = "\(path).partial-\(getpid())"
        descriptor = open(partialPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .system("cannot create \(partialPath)", errno) }
        pending = header
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        unlink(partialPath)
    }

    func write(_ row: [Float]) throws(Failure) {
        for value in row { withUnsafeBytes(of: value.bitPattern.littleEndian) { pending.append(contentsOf: $0) } }
        rows += 1
        if pending.count >= 1 << 18 { try flush() }
    }

    func finish() throws(Failure) {
        try flush()
        guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw .system("cannot write \(path)", errno) }
        try header.writeAll(to: descriptor, partialPath)
        let closed = close(descriptor)
        descriptor = -1
        guard closed == 0 || errno == EINTR, rename(partialPath, path) == 0 else {
            let code = errno
            unlink(partialPath)
            throw .system("cannot write \(path)", code)
        }
    }

    private func flush() throws(Failure) {
        try pending.writeAll(to: descriptor, partialPath)
        pending.removeAll(keepingCapacity: true)
    }

    /// The header, padded so that the numbers begin at a multiple of 64 bytes whatever their count.
    private var header: [UInt8] {
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
        let size = NumPyWriter.headerSize
        let length = size - 10
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)]
            + Array(text.padded(to: length - 1).utf8) + [0x0A]
    }
}
