import NestlingBasics
import NestlingCheckpoints
import Glibc
import Testing

/// Bytes on the heap, exactly as many as there are, so that a sanitizer sees a read past their end.
final class OwnedBytes: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init(_ content: some Collection<UInt8>) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: content.count, alignment: 1)
        buffer.copyBytes(from: content)
        bytes = UnsafeRawBufferPointer(buffer)
    }

    deinit { bytes.deallocate() }
}

/// A file in memory that owns its bytes.
func file(_ content: some Collection<UInt8>, name: String = "model.safetensors") -> FileBytes {
    let owned = OwnedBytes(content)
    return FileBytes(name: name, borrowing: owned.bytes, owner: owned)
}

/// Keeps several buffers alive.
final class Owners: Sendable {
    let all: [OwnedBytes]
    init(_ all: [OwnedBytes]) { self.all = all }
}

/// A source in memory that owns its bytes.
func memory(_ files: [String: [UInt8]]) -> MemorySource {
    let owned = files.map { (name: $0.key, bytes: OwnedBytes($0.value)) }
    return MemorySource(files: owned.map { ($0.name, $0.bytes.bytes) }, owner: Owners(owned.map(\.bytes)))
}

/// A source in memory of text files.
func memory(texts: [String: String]) -> MemorySource { memory(texts.mapValues { Array($0.utf8) }) }

/// A safetensors file of this header and data, the length computed unless it is given.
func safetensors(_ header: String, data: [UInt8] = [], length: UInt64? = nil) -> [UInt8] {
    let text = Array(header.utf8)
    return withUnsafeBytes(of: (length ?? UInt64(text.count)).littleEndian) { Array($0) } + text + data
}

/// What `body` throws.
func failure(_ body: () throws -> Void) -> Failure? {
    do {
        try body()
        return nil
    } catch {
        return error as? Failure
    }
}

/// Makes an empty directory and returns its path.
func makeTemporaryDirectory() -> String? {
    var template = Array("/tmp/nestling-tests-XXXXXX".utf8CString)
    return template.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress, mkdtemp(base) != nil else { return nil }
        return String(cString: base)
    }
}

/// A directory that is removed, with the files in it, when this object goes.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = try #require(makeTemporaryDirectory())
    }

    func write(_ content: some Collection<UInt8>, to name: String) throws {
        let descriptor = open(path + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        try #require(descriptor >= 0)
        let bytes = Array(content)
        try #require(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
        close(descriptor)
    }

    func makeFolder(_ name: String) { mkdir(path + "/" + name, 0o755) }

    /// The names in the directory, sorted.
    var names: [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var result: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { result.append(name) }
        }
        return result.sorted()
    }

    deinit {
        for name in names {
            let full = path + "/" + name
            if unlink(full) != 0 {
                chmod(full, 0o755)
                rmdir(full)
            }
        }
        rmdir(path)
    }
}
