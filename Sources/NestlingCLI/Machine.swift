import Glibc
import Nestling

/// What the operating system says of the machine and of this process.
enum Machine {
    /// The processor's name, as `/proc/cpuinfo` has it.
    static var processor: String {
        let lines = (try? contents("/proc/cpuinfo")) ?? []
        for key in ["model name", "Model", "Processor", "cpu model"] {
            if let name = value(of: key, in: lines) { return name.printable }
        }
        return "unknown processor"
    }

    /// Bytes of memory in use now.
    static var residentBytes: Int? { status("VmRSS") }

    /// The most bytes of memory that were ever in use.
    static var peakResidentBytes: Int? { status("VmHWM") }

    private static func status(_ key: String) -> Int? {
        guard let text = value(of: key, in: (try? contents("/proc/self/status")) ?? []) else { return nil }
        return text.split(separator: " ").first.flatMap { Int($0) }.map { $0 * 1024 }
    }

    private static func value(of key: String, in lines: [String]) -> String? {
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let name = line[..<colon].filter { $0 != "\t" }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            if name == key, !value.isEmpty { return String(value) }
        }
        return nil
    }

    /// The lines of a file of `/proc`, which is not large.
    private static func contents(_ path: String) throws(Failure) -> [String] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open \(path)", errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 14)
        while bytes.count < 1 << 20 {
            let count = read(descriptor, &piece, piece.count)
            if count <= 0 { break }
            bytes += piece[..<count]
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { String($0) }
    }
}
