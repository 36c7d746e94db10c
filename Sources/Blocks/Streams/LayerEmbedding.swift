import NestlingBasics
import NestlingTensors

/// What one layer knows of a token `v` by heart: a row of a table of its own, and a part of what the network's embedding `x_v`
/// says.
///
///     e_v = scale (norm(W x_v) + tableScale t_v)     W of shape [size, hidden]
///
/// The rows `t_v` of all layers are often side by side in one large table, of which each layer takes its columns. Only the rows
/// that are needed are read, where they lie in the file. Tokens that the table does not have take its row 0.
struct LayerEmbedding: Sendable {
    private let tokens: EmbeddingTable
    private let projection: any Linear
    private let norm: any Norm
    private let table: EmbeddingTable
    private let tableScale: Float
    private let scale: Float
    /// The layer's columns of row `v` of the table are row `v * parts + part` of what is in use.
    private let parts: Int
    private let part: Int

    /// Reads `{"tokens", "projection", "norm", "table", "table_scale"?, "scale"?}`; the table is `{"weight", "shape": [rows,
    /// columns], "columns": [first, size]?}`.
    init(_ fields: JSONFields, size: Int, _ weights: any WeightSource) throws(Failure) {
        tokens = try weights.table(fields["tokens"], path: "\(fields.name).tokens")
        projection = try fields.linear("projection", outputs: size, inputs: tokens.columns, weights)
        guard let norm = try fields.norm("norm", weights), norm.size == size else {
            throw Failure(.corrupt, "\(fields.name).norm: expected a norm of \(size) elements")
        }
        self.norm = norm
        let columns = try fields.object("table").optionalIntegers("columns", in: 0...Int(Int32.max))
        let whole = try weights.mappedTable(fields["table"], path: "\(fields.name).table")
        let first = columns?.first ?? 0
        guard whole.columns.isMultiple(of: size), columns == nil ? whole.columns == size : columns == [first, size],
            first.isMultiple(of: size), first < whole.columns
        else {
            throw Failure(
                .corrupt,
                "\(fields.name).table: expected \(size) of \(whole.columns) columns, from a multiple of \(size) on")
        }
        (parts, part) = (whole.columns / size, first / size)
        table = try whole.split(into: parts, "\(fields.name).table")
        tableScale = Float(try fields.number("table_scale", default: 1))
        scale = Float(try fields.number("scale", default: 1))
    }

    /// Learned numbers, those of the tables not counted.
    var parameters: Int { projection.parameters + norm.parameters }
    var multiplyAddsPerToken: Int { projection.multiplyAdds }

    func workspaceFloats(rows: Int) -> Int {
        Workspace.spreadFloats(rows, tokens.columns) + Workspace.floats(rows, 1)
    }

    /// Writes the rows of the tokens `ids` to `output` `[tokens, size]`.
    func apply(
        _ ids: UnsafeBufferPointer<Int32>, into output: Matrix, _ context: ForwardContext
    ) throws(Failure) {
        guard ids.count == output.rows else {
            throw Failure(.internal, "\(output.rows) rows of tokens have \(ids.count) token ids")
        }
        let mark = context.workspace.mark
        let embedded = try context.workspace.takeSpread(output.rows, tokens.columns)
        let rows = try context.workspace.take(output.rows, 1)
        rows.pointer.withMemoryRebound(to: Int32.self, capacity: output.rows) { indices in
            for (row, id) in ids.enumerated() { indices[row] = Int(id) < tokens.rows ? id : 0 }
            tokens.gather(indices, into: embedded, adding: false, threads: context.threads)
            embedded.multiply(Product(projection, output: output), threads: context.threads)
            norm.apply(output, into: output, threads: context.threads)
            let known = table.rows / parts
            for (row, id) in ids.enumerated() {
                indices[row] = Int32(truncatingIfNeeded: (Int(id) < known ? Int(id) : 0) * parts + part)
            }
            table.gather(indices, into: output, adding: true, scale: tableScale, threads: context.threads)
        }
        output.scale(by: scale, threads: context.threads)
        context.workspace.release(to: mark)
    }
}
