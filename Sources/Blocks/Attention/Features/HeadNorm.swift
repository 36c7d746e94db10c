public import NestlingBasics
public import NestlingTensors

/// Norms over each head of queries, of keys, and of values, `q_h = norm_q(q_h)` and so on, whose weights all heads share (QK
/// norm; Henry et al., arXiv 2010.04245; Qwen3, Gemma 3; of values too Gemma 3n).
public struct HeadNorm: Feature {
    private let queries: (any Norm)?
    private let keys: (any Norm)?
    private let values: (any Norm)?

    /// Reads `{"queries"?, "keys"?, "values"?}`: norms of as many elements as a head has.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        queries = try fields.norm("queries", weights)
        keys = try fields.norm("keys", weights)
        values = try fields.norm("values", weights)
        let sizes = norms.map(\.size)
        guard Set(sizes).count <= 1 else {
            throw Failure(.corrupt, "\(fields.name): normalizes heads of different sizes: \(sizes)")
        }
    }

    private var norms: [any Norm] { [queries, keys, values].compactMap { $0 } }
    public var size: Int { norms.first?.size ?? 0 }
    public var parameters: Int { norms.reduce(0) { $0 + $1.parameters } }

    public func apply(_ values: Matrix, as role: FeatureRole, heads: Int, headSize: Int, _ context: ForwardContext) {
        let chosen =
            switch role {
            case .queries: queries
            case .keys: keys
            case .values: self.values
            }
        guard let norm = chosen else { return }
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
