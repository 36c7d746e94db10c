public import NestlingTensors

/// Queries, keys and values about to meet, and where the result goes: all `[rows, heads * headSize]`, keys and values
/// with `keyHeads` heads. Of cached sequences, keys and values are those in the cache, of all tokens.
public struct Meeting {
    let queries: Matrix
    let keys: Matrix
    let values: Matrix
    let output: Matrix
    let heads: Int
    let keyHeads: Int
    let headSize: Int
    /// Multiplied with each product of query and key.
    let scale: Float
    /// The sequences whose rows these are, if not those of the context.
    let layout: WindowLayout?
    /// The type to which the inputs of products may be rounded: float32 or bfloat16.
    let inputType: StoredType
}

/// How do scores weigh values?
public protocol Rule: Sendable {
    /// Lets the tokens of each sequence meet and writes `meeting.output`.
    func mix(_ meeting: Meeting, _ supports: [any Support], _ context: ForwardContext)
    /// Writes the mean weight that each key gets, over heads and over the queries of its sequence (or of the first query
    /// only), to the first row of `weights` `[heads, rows]`; the other rows are room to work in.
    func weigh(
        _ meeting: Meeting, _ supports: [any Support], firstOnly: Bool, into weights: Matrix, _ context: ForwardContext)
}
