import NestlingBasics
import Glibc

/// A directory that is removed, with all that is in it, when this object goes.
public final class TemporaryDirectory {
    /// Its path.
    public let path: String

    /// Makes an empty directory.
    public init() throws {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/nestling-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(.io, "no temporary directory in \(base)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The path of `name` inside.
    public func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file.
    public static func write(_ text: String, to path: String) throws {
        guard let stream = fopen(path, "w") else { throw Failure(.io, "cannot write \(path)") }
        defer { fclose(stream) }
        fputs(text, stream)
    }

    /// Names in a directory, sorted, without those of the system.
    public static func names(_ path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private static func remove(_ path: String) {
        for name in names(path) { remove("\(path)/\(name)") }
        if rmdir(path) != 0 { unlink(path) }
    }

    deinit { Self.remove(path) }
}
