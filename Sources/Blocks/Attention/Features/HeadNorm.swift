public import Basics
public import Tensors

/// Norms over each head of queries and of keys, `q_h = norm_q(q_h)` and `k_h = norm_k(k_h)`, whose weights all heads share (QK
/// norm; Henry et al., arXiv 2010.04245; Qwen3, Gemma 3).
public struct HeadNorm: Feature {
    private let queries: (any Norm)?
    private let keys: (any Norm)?

    /// Reads `{"queries"?, "keys"?}`: norms of as many elements as a head has.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        queries = try fields.norm("queries", weights)
        keys = try fields.norm("keys", weights)
        if let queries, let keys, queries.size != keys.size {
            throw Failure(
                .corrupt, "\(fields.name): normalizes \(queries.size) elements of queries, \(keys.size) of keys")
        }
    }

    public var size: Int { queries?.size ?? keys?.size ?? 0 }
    public var parameters: Int { (queries?.parameters ?? 0) + (keys?.parameters ?? 0) }

    public func apply(_ values: Matrix, as role: FeatureRole, heads: Int, headSize: Int, _ context: ForwardContext) {
        guard let norm = role == .queries ? queries : keys else { return }
        guard values.stride != heads * headSize else {
            // Heads follow each other without gaps: each is a row.
            let rows = Matrix(values.pointer, rows: values.rows * heads, columns: norm.size, stride: headSize)
            return norm.apply(rows, into: rows, threads: context.threads)
        }
        for head in 0..<heads {
            let rows = Matrix(
                values.pointer + head * headSize, rows: values.rows, columns: norm.size, stride: values.stride)
            norm.apply(rows, into: rows, threads: context.threads)
        }
    }
}
