/// The rows for which a block runs after its mixer has kept the keys and values of all.
public enum KeptRows {
    /// The last `counts[s]` rows of each cached sequence `s` of a step, of token ids `ids` of all sequences.
    case last(_ counts: [Int], ids: UnsafeBufferPointer<Int32>)
    /// Rising rows of the stream, whose sequences are in no cache.
    case rows([Int])
}
