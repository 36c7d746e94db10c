public import NestlingBasics
import Glibc

/// A directory that is filled out of sight and then takes its place at once, so that nobody finds half a checkpoint.
///
/// Files are written to a sibling directory. ``commit()`` moves them to the final one, configuration last; dropping the
/// object before removes them.
public final class StagedDirectory {
    /// Where the files will be.
    public let path: String
    private let staging: String
    private var files: [String] = []
    private var folders: [String] = []

    /// Begins to fill the directory `path`.
    /// - Throws: `.invalidArgument` if it holds a checkpoint and `overwrites` is false, `.io` if nothing can be made beside it.
    public init(path: String, overwrites: Bool) throws(Failure) {
        var path = path
        while path.utf8.last == UInt8(ascii: "/"), path.utf8.count > 1 { path.removeLast() }
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw Failure(.invalidArgument, "\(path.quoted) is not a path of a directory")
        }
        if !overwrites {
            for name in ["config.json", "model.safetensors", "model.safetensors.index.json"]
            where access(join(path, name), F_OK) == 0 {
                throw Failure(.invalidArgument, "\(path): holds a checkpoint already (\(name)); ask to overwrite it")
            }
        }
        self.path = path
        var generator = SystemRandomNumberGenerator()
        staging = path + ".partial-" + String(generator.next(), radix: 36)
        guard mkdir(staging, 0o777) == 0 else { throw .system("cannot create", staging, errno) }
    }

    deinit {
        for file in files { unlink(join(staging, file)) }
        for folder in folders.reversed() { rmdir(join(staging, folder)) }
        rmdir(staging)
    }

    /// Where to write file `name` (with `/` between folders) before it takes its place.
    public func stage(_ name: String) throws(Failure) -> String {
        guard isContained(name) else { throw Failure(.corrupt, "\(name.quoted) leaves the directory") }
        var folder = ""
        for part in name.split(separator: "/").dropLast() {
            folder = join(folder, String(part))
            guard !folders.contains(folder) else { continue }
            guard mkdir(join(staging, folder), 0o777) == 0 else {
                throw .system("cannot create", join(staging, folder), errno)
            }
            folders.append(folder)
        }
        files.append(name)
        return join(staging, name)
    }

    /// Writes a whole file.
    public func write(_ name: String, _ bytes: UnsafeRawBufferPointer) throws(Failure) {
        let path = try stage(name)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .system("cannot create", path, errno) }
        var rest = bytes
        while !rest.isEmpty {
            let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if written < 0 {
                let code = errno
                if code == EINTR { continue }
                close(descriptor)
                throw .system("cannot write", path, code)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
        guard close(descriptor) == 0 || errno == EINTR else { throw .system("cannot write", path, errno) }
    }

    /// Moves all files to their places, and removes what `obsolete` names there from an earlier checkpoint.
    public func commit(removing obsolete: [String] = []) throws(Failure) {
        if mkdir(path, 0o777) != 0, errno != EEXIST { throw .system("cannot create", path, errno) }
        for folder in folders where mkdir(join(path, folder), 0o777) != 0 && errno != EEXIST {
            throw .system("cannot create", join(path, folder), errno)
        }
        for name in obsolete where !files.contains(name) { unlink(join(path, name)) }
        // A reader begins with the configuration: it comes last.
        let order = files.filter { $0 != "config.json" } + files.filter { $0 == "config.json" }
        for name in order where rename(join(staging, name), join(path, name)) != 0 {
            throw .system("cannot move into place", join(path, name), errno)
        }
    }
}
