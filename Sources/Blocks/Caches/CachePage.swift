internal import NestlingBasics
import Glibc
import Synchronization
import NestlingTensors

/// Keys and values of ``CacheLayout/pageTokens`` neighbouring tokens in one layer. Sequences that begin alike share pages; one
/// that is shared is never written.
final class CachePage: @unchecked Sendable {
    /// `bytes` bytes, aligned to a cache line.
    let memory: UnsafeMutableRawPointer
    let bytes: Int
    private let storage: AlignedStorage
    private let pool: CachePagePool

    fileprivate init(_ storage: AlignedStorage, bytes: Int, pool: CachePagePool) {
        self.storage = storage
        self.bytes = bytes
        self.pool = pool
        memory = UnsafeMutableRawPointer(storage.pointer)
    }

    deinit { pool.takeBack(storage, bytes: bytes) }

    /// A page of the same contents, that nobody shares.
    func copy() throws(Failure) -> CachePage {
        let page = try pool.page(bytes: bytes)
        page.memory.copyMemory(from: memory, byteCount: bytes)
        return page
    }
}

/// The memory of caches: pages that sequences have given back are used again. Safe to use from any thread.
public final class CachePagePool: Sendable {
    private struct State {
        /// By size.
        var free: [Int: [AlignedStorage]] = [:]
        var freeBytes = 0
        var usedBytes = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    /// A pool whose pages in use take at most `limit` bytes (0: no limit).
    public init(limit: Int) { self.limit = limit }

    /// Bytes of the pages in use.
    public var usedBytes: Int { state.withLock { $0.usedBytes } }

    /// A page of zeros.
    func page(bytes: Int) throws(Failure) -> CachePage {
        let (hasRoom, used, recycled) = state.withLock { state -> (Bool, Int, AlignedStorage?) in
            guard limit == 0 || state.usedBytes + bytes <= limit else { return (false, state.usedBytes, nil) }
            state.usedBytes += bytes
            guard let storage = state.free[bytes]?.popLast() else { return (true, state.usedBytes, nil) }
            state.freeBytes -= bytes
            return (true, state.usedBytes, storage)
        }
        guard hasRoom else {
            throw Failure(
                .outOfMemory, "the cache has no room for more tokens: \(used) of at most \(limit) bytes are in use")
        }
        do throws(Failure) {
            let storage = if let recycled { recycled } else { try AlignedStorage(bytes: bytes) }
            memset(storage.pointer, 0, bytes)
            return CachePage(storage, bytes: bytes, pool: self)
        } catch {
            state.withLock { $0.usedBytes -= bytes }
            throw error
        }
    }

    fileprivate func takeBack(_ storage: AlignedStorage, bytes: Int) {
        state.withLock { state in
            state.usedBytes -= bytes
            // What is free stays below what is in use, and a little: memory follows the load down again.
            guard state.freeBytes + bytes <= max(state.usedBytes, 16 << 20) else { return }
            state.free[bytes, default: []].append(storage)
            state.freeBytes += bytes
        }
    }
}
