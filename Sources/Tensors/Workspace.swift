public import Basics

/// The memory of a session's activations: a stack that is sized before a run and allocates nothing during it.
///
/// Parts take what they need and give it back in reverse order, by returning to the height they found.
public struct Workspace: ~Copyable {
    private var storage: AlignedStorage?
    private var used = 0
    /// Bytes that the workspace may take; 0: no limit.
    private let limit: Int

    /// An empty workspace that will not grow past `limit` bytes (0: no limit).
    public init(limit: Int) { self.limit = limit }

    /// Floats that a matrix takes here: rows start at cache lines where the stride allows, so sizes are rounded up.
    public static func floats(_ rows: Int, _ columns: Int) -> Int { (rows * columns + 15) / 16 * 16 }

    /// Bytes held.
    public var byteCount: Int { (storage?.count ?? 0) * MemoryLayout<Float>.stride }

    /// Makes sure that `floats` can be taken from an empty stack.
    public mutating func reserve(floats: Int) throws(Failure) {
        used = 0
        if let storage, storage.count >= floats { return }
        let bytes = try floats.multiplied(by: MemoryLayout<Float>.stride, "workspace")
        if limit > 0, bytes > limit {
            throw Failure(
                .outOfMemory, "the run needs \(bytes) bytes of workspace, the session's memory limit is \(limit)")
        }
        storage = nil
        storage = try AlignedStorage(count: floats)
    }

    /// The height of the stack, to return to.
    public var mark: Int { used }

    /// Gives back everything taken since `mark`.
    public mutating func release(to mark: Int) { used = mark }

    /// Takes `[rows, columns]`, not initialized.
    public mutating func take(_ rows: Int, _ columns: Int) throws(Failure) -> Matrix {
        let floats = Workspace.floats(rows, columns)
        guard let storage, used + floats <= storage.count else {
            throw Failure(.internal, "workspace of \(storage?.count ?? 0) floats has no room for \(rows) x \(columns)")
        }
        defer { used += floats }
        return Matrix(storage.pointer + used, rows: rows, columns: columns)
    }
}
