public import NestlingBasics

/// The memory of a session's activations: a stack that is sized before a run and allocates nothing during it.
///
/// Parts take what they need and give it back in reverse order, by returning to the height they found.
public struct Workspace: ~Copyable {
    private var storage: AlignedStorage?
    /// The floats of the storage that are this workspace's.
    private var range = 0..<0
    private var used = 0
    /// Bytes that the workspace may take; 0: no limit.
    private let limit: Int

    /// An empty workspace that will not grow past `limit` bytes (0: no limit).
    public init(limit: Int) { self.limit = limit }

    /// Floats that a matrix takes here: rows start at cache lines where the stride allows, so sizes are rounded up.
    public static func floats(_ rows: Int, _ columns: Int) -> Int { (rows * columns + 15) / 16 * 16 }

    /// Floats that a matrix with ``spreadStride(_:)`` takes.
    public static func spreadFloats(_ rows: Int, _ columns: Int) -> Int { floats(rows, spreadStride(columns)) }

    /// Floats from one row to the next of a matrix that products read: a tile reads a column of some 14 rows at once, and rows
    /// that are whole pages apart would share a few sets of the first-level cache.
    public static func spreadStride(_ columns: Int) -> Int { columns % 1024 == 0 ? columns + 16 : columns }

    /// Bytes held.
    public var byteCount: Int { range.count * MemoryLayout<Float>.stride }

    /// Parts of a whole need a little more together than the whole, because sizes are rounded up. Takes no physical memory.
    public static let roundings = 16384

    /// Makes sure that `floats` can be taken from an empty stack.
    ///
    /// - Parameter others: floats that the run takes elsewhere and that count in the limit, too.
    public mutating func reserve(floats: Int, besides others: Int = 0) throws(Failure) {
        used = 0
        if others == 0, storage != nil, range.count >= floats { return }
        let bytes = try floats.added(to: others, "workspace").multiplied(by: MemoryLayout<Float>.stride, "workspace")
        if limit > 0, bytes > limit {
            throw Failure(
                .outOfMemory, "the run needs \(bytes) bytes of workspace, the session's memory limit is \(limit)")
        }
        if storage != nil, range.count >= floats { return }
        storage = nil
        storage = try AlignedStorage(count: floats + Self.roundings)
        range = 0..<floats
    }

    /// Part `index` of `count` equal ones of what is reserved, for another thread while this workspace is left alone.
    public func part(_ index: Int, of count: Int) -> Workspace {
        var part = Workspace(limit: limit)
        let size = (range.count + Self.roundings) / count / 16 * 16
        part.storage = storage
        part.range = range.lowerBound + index * size..<range.lowerBound + (index + 1) * size
        return part
    }

    /// The height of the stack, to return to.
    public var mark: Int { used }

    /// Gives back everything taken since `mark`.
    public mutating func release(to mark: Int) { used = mark }

    /// Takes `[rows, columns]`, not initialized.
    public mutating func take(_ rows: Int, _ columns: Int) throws(Failure) -> Matrix {
        try take(rows, columns, stride: columns)
    }

    /// Takes `[rows, columns]` for products to read, not initialized; rows may be further apart than they are long.
    public mutating func takeSpread(_ rows: Int, _ columns: Int) throws(Failure) -> Matrix {
        try take(rows, columns, stride: Workspace.spreadStride(columns))
    }

    private mutating func take(_ rows: Int, _ columns: Int, stride: Int) throws(Failure) -> Matrix {
        let floats = Workspace.floats(rows, stride)
        guard let storage, used + floats <= range.count else {
            throw Failure(.internal, "workspace of \(range.count) floats has no room for \(rows) x \(columns)")
        }
        defer { used += floats }
        return Matrix(storage.pointer + range.lowerBound + used, rows: rows, columns: columns, stride: stride)
    }
}
