/// Where the patches of an image went in downsamplings.
public struct PatchPlaces: Sendable {
    private var grid: PatchGrid
    private var places: [(row: Int, column: Int)]

    /// The patches of `grid`, each in its own place.
    public init(_ grid: PatchGrid) {
        self.grid = grid
        places = (0..<grid.count).map { ($0 / grid.columns, $0 % grid.columns) }
    }

    /// The same patches after one more downsampling.
    public func downsampled(by downsampling: any Downsampling) -> PatchPlaces {
        var after = self
        after.grid = downsampling.grid(after: grid)
        after.places = places.map { downsampling.place(after: $0.row, $0.column) }
        return after
    }

    /// The row that each original patch is part of.
    public var rows: [Int32] { places.map { Int32(truncatingIfNeeded: $0.row * grid.columns + $0.column) } }
}
