import Glibc
import Nestling

/// Standard input as one text.
enum StandardInput {
    /// Everything up to its end.
    static func text() throws(Failure) -> String {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(STDIN_FILENO, &piece, piece.count)
            if count > 0 {
                bytes += piece[..<count]
                guard bytes.count < 1 << 30 else {
                    throw Failure(.invalidArgument, "standard input has more than \(1 << 30) bytes")
                }
            } else if count == 0 {
                return try utf8(bytes, "standard input")
            } else if errno == EINTR {
                try Interruption.check()
            } else {
                throw .system("cannot read standard input", errno)
            }
        }
    }

    /// `bytes` as text; messages call them `name`.
    static func utf8(_ bytes: [UInt8], _ name: String) throws(Failure) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.invalidArgument, "\(name) is not UTF-8")
        }
        return text
    }
}
