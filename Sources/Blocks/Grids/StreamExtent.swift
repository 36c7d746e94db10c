/// How large the sequences of a group are when a block begins: by this parts say how much memory they take.
public struct StreamExtent: Sendable {
    /// Rows of the stream.
    public var rows: Int
    /// Sequences.
    public var sequences: Int
    /// Patches of each image; `nil`: they are not known, and parts assume the worst.
    public var grids: [PatchGrid]?

    /// An extent.
    public init(rows: Int, sequences: Int, grids: [PatchGrid]? = nil) {
        self.rows = rows
        self.sequences = sequences
        self.grids = grids
    }
}
