public import NestlingBasics
import Glibc

/// The files of a directory. Symbolic links are followed, because Hugging Face caches consist of them.
public struct DirectorySource: FileSource {
    /// The directory's path, as given.
    public let path: String
    /// Whether files from 1 MiB on are mapped instead of read.
    public let map: Bool

    private static let smallestMappedSize = 1 << 20

    /// Opens the directory `path`. With `map`, large files are mapped: they must not be truncated by others while in
    /// use.
    /// - Throws: `.notFound` if there is none, `.invalidArgument` if it is not a directory, `.io` if it cannot be
    ///   looked at.
    public init(path: String, map: Bool = true) throws(Failure) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw Failure(.invalidArgument, "\(path.quoted) is not a path of a directory")
        }
        var status = stat()
        if stat(path, &status) != 0 {
            let code = errno
            if code == ENOENT || code == ENOTDIR { throw Failure(.notFound, "\(path): no such directory") }
            throw .system("cannot open", path, code)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure(.invalidArgument, "\(path): expected the directory of a checkpoint, found a file")
        }
        self.path = path
        self.map = map
    }

    /// See ``FileSource/file(_:)``.
    public func file(_ name: String) throws(Failure) -> FileBytes? {
        guard isContained(name) else {
            throw Failure(.corrupt, "\(path): \(name.quoted) is not the name of a file inside the directory")
        }
        let full = path + "/" + name
        var descriptor: Int32
        repeat {
            // Without O_NONBLOCK, opening a FIFO waits for a writer.
            descriptor = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        } while descriptor < 0 && errno == EINTR
        if descriptor < 0 {
            let code = errno
            if code == ENOENT || code == ENOTDIR { return nil }
            throw .system("cannot open", full, code)
        }
        defer { close(descriptor) }
        var status = stat()
        if fstat(descriptor, &status) != 0 { throw .system("cannot look at", full, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Failure(.corrupt, "\(full): expected a regular file, found a directory, a pipe or a device")
        }
        guard let size = Int(exactly: status.st_size), size >= 0 else {
            throw Failure(.corrupt, "\(full): its size of \(status.st_size) bytes cannot be")
        }
        return try FileBytes(
            name: name, path: full, descriptor: descriptor, size: size, map: map && size >= Self.smallestMappedSize)
    }

    /// The names of the regular files that end with `suffix`, sorted.
    func names(endingWith suffix: String) throws(Failure) -> [String] {
        guard let directory = opendir(path) else { throw .system("cannot look into", path, errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(suffix), contains(name) { names.append(name) }
        }
        return names.sorted()
    }

    /// See ``FileSource/contains(_:)``.
    public func contains(_ name: String) -> Bool {
        guard isContained(name) else { return false }
        var status = stat()
        return stat(path + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }
}
