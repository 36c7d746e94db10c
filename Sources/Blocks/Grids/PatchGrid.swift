/// Patches above each other and side by side.
public struct PatchGrid: Sendable, Hashable {
    /// Patches above each other.
    public var rows: Int
    /// Patches side by side.
    public var columns: Int

    /// A grid.
    public init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
    }

    /// All patches.
    public var count: Int { rows * columns }
}
