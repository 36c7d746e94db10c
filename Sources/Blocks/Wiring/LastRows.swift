/// The last rows of each cached sequence of a step: those whose results are wanted.
public struct LastRows {
    /// How many of each sequence.
    let counts: [Int]
    /// Their token ids, of all sequences.
    let ids: UnsafeBufferPointer<Int32>

    /// The last `counts[s]` rows of each sequence `s`, of token ids `ids`.
    public init(_ counts: [Int], ids: UnsafeBufferPointer<Int32>) {
        self.counts = counts
        self.ids = ids
    }
}
