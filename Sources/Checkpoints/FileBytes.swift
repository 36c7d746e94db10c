import NestlingBasics
import Glibc

/// The bytes of one file: mapped, read, or lent by the caller. They stay valid while this object lives.
public final class FileBytes: @unchecked Sendable {
    /// The name by which the file was asked for, for messages.
    public let name: String
    /// All bytes of the file.
    public let bytes: UnsafeRawBufferPointer

    private let storage: Storage

    private enum Storage {
        case mapped
        case allocated
        case borrowed(owner: (any AnyObject & Sendable)?)
    }

    private init(name: String, bytes: UnsafeRawBufferPointer, storage: Storage) {
        self.name = name
        self.bytes = bytes
        self.storage = storage
    }

    /// Lends `bytes`, which must stay valid and unchanged as long as this object lives; `owner`, if any, is kept alive.
    public convenience init(
        name: String, borrowing bytes: UnsafeRawBufferPointer, owner: (any AnyObject & Sendable)? = nil
    ) {
        self.init(name: name, bytes: bytes, storage: .borrowed(owner: owner))
    }

    /// `count` bytes of memory of its own, which `write` fills.
    public convenience init(
        name: String, count: Int, _ write: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        guard count > 0 else {
            self.init(name: name, bytes: UnsafeRawBufferPointer(start: nil, count: 0), storage: .borrowed(owner: nil))
            return
        }
        guard let buffer = malloc(count) else { throw Failure(.outOfMemory, "\(name): no memory for \(count) bytes") }
        do throws(Failure) {
            try write(UnsafeMutableRawBufferPointer(start: buffer, count: count))
        } catch {
            free(buffer)
            throw error
        }
        self.init(name: name, bytes: UnsafeRawBufferPointer(start: buffer, count: count), storage: .allocated)
    }

    /// Maps or reads `size` bytes of an open regular file. The descriptor remains the caller's.
    convenience init(name: String, path: String, descriptor: Int32, size: Int, map: Bool) throws(Failure) {
        if size == 0 {
            self.init(name: name, bytes: UnsafeRawBufferPointer(start: nil, count: 0), storage: .borrowed(owner: nil))
            return
        }
        if map {
            let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
            guard let address, address != MAP_FAILED else { throw .system("cannot map", path, errno) }
            self.init(
                name: name, bytes: UnsafeRawBufferPointer(start: address, count: size), storage: .mapped)
            return
        }
        guard let buffer = malloc(size) else {
            throw Failure(.outOfMemory, "\(path): no memory for its \(size) bytes")
        }
        var filled = 0
        while filled < size {
            let count = read(descriptor, buffer + filled, min(size - filled, 1 << 30))
            if count > 0 {
                filled += count
            } else if count == 0 {
                free(buffer)
                throw Failure(
                    .io, "\(path): ended after \(filled) of \(size) bytes; it is being changed by another program")
            } else if errno != EINTR {
                let code = errno
                free(buffer)
                throw .system("cannot read", path, code)
            }
        }
        self.init(name: name, bytes: UnsafeRawBufferPointer(start: buffer, count: size), storage: .allocated)
    }

    /// Gives the memory of whole pages inside `range` (in bytes) back to the system; what is read there later comes
    /// from the file again. Does nothing for files that are not mapped.
    public func discardPages(_ range: Range<Int>) {
        guard case .mapped = storage, let base = bytes.baseAddress else { return }
        let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))
        guard pageSize > 0 else { return }
        // The mapping begins at a page; the file's last page counts as whole.
        let lower = max(range.lowerBound, 0)
        let first = min(lower, bytes.count) / pageSize + (lower % pageSize == 0 ? 0 : 1)
        let end = range.upperBound >= bytes.count ? bytes.count : max(range.upperBound, 0) / pageSize * pageSize
        guard first * pageSize < end else { return }
        _ = madvise(UnsafeMutableRawPointer(mutating: base) + first * pageSize, end - first * pageSize, MADV_DONTNEED)
    }

    deinit {
        guard let base = bytes.baseAddress else { return }
        switch storage {
        case .mapped: munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
        case .allocated: free(UnsafeMutableRawPointer(mutating: base))
        case .borrowed: break
        }
    }
}

extension Failure {
    /// What the operating system said when `action` on `path` failed.
    static func system(_ action: String, _ path: String, _ code: Int32) -> Failure {
        let reason = strerror(code).map { String(cString: $0) } ?? "error \(code)"
        return Failure(code == ENOMEM ? .outOfMemory : .io, "\(path): \(action): \(reason)")
    }
}
