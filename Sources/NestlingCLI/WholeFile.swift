import Glibc
import Nestling

/// Files that are read and written in one go.
enum WholeFile {
    /// What no picture is larger than.
    private static let largest = 1 << 30

    /// All bytes of the file `path`.
    static func read(_ path: String) throws(Failure) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open \(path)", errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = piece.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return bytes }
            if count < 0 {
                let code = errno
                guard code == EINTR else { throw .system("cannot read \(path)", code) }
                try Interruption.check()
                continue
            }
            bytes += piece[..<count]
            guard bytes.count <= largest else { throw Failure(.unsupported, "\(path) is larger than a gigabyte") }
        }
    }

    /// Makes `bytes` the file `path`.
    static func write(_ bytes: [UInt8], to path: String) throws(Failure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .system("cannot write \(path)", errno) }
        defer { close(descriptor) }
        try bytes.writeAll(to: descriptor, path)
    }
}
