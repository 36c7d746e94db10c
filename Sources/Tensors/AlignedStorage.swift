public import NestlingBasics
import Glibc

/// Memory for floats, aligned to a cache line, that lives as long as this object.
///
/// Written once while a model is loaded and only read afterwards, or owned by one session: the type itself does not
/// synchronize anything.
public final class AlignedStorage: @unchecked Sendable {
    /// The first element; aligned to 64 bytes.
    public let pointer: UnsafeMutablePointer<Float>
    /// Number of floats.
    public let count: Int

    /// Allocates `count` floats, not initialized. Large allocations take physical memory only when they are written.
    public init(count: Int) throws(Failure) {
        let bytes = try max(count, 1).multiplied(by: MemoryLayout<Float>.stride, "allocation")
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, 64, bytes) == 0, let memory else {
            throw Failure(.outOfMemory, "could not allocate \(bytes) bytes")
        }
        pointer = memory.bindMemory(to: Float.self, capacity: max(count, 1))
        self.count = count
    }

    /// Allocates room for `bytes` bytes.
    public convenience init(bytes: Int) throws(Failure) {
        try self.init(count: (bytes + MemoryLayout<Float>.stride - 1) / MemoryLayout<Float>.stride)
    }

    deinit { free(pointer) }
}
