import Tensors

/// Queries, keys and values about to meet, and where the result goes: all `[rows, heads * headSize]`, keys and values
/// with `keyHeads` heads.
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
    /// The type to which the inputs of products may be rounded: float32 or bfloat16.
    let inputType: StoredType
}

/// How do scores weigh values?
public protocol Rule: Sendable {
    /// Lets the tokens of each sequence meet and writes `meeting.output`.
    func mix(_ meeting: Meeting, _ supports: [any Support], _ context: ForwardContext)
}
