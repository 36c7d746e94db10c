public import NestlingBasics
public import NestlingTensors

/// Token ids to the first hidden states: the sum of token, position and type rows, normalized, and projected where the
/// embedding is narrower than the network (ELECTRA, ALBERT).
public struct TokenEmbedding: Embedding {
    private let tokens: EmbeddingTable
    private let scale: Float
    private let positions: EmbeddingTable?
    private let positionOffset: Int
    private let positionsFollowProjection: Bool
    private let paddingID: Int32?
    private let types: EmbeddingTable?
    private let norm: (any Norm)?
    private let projection: (any Linear)?

    /// Reads `{"tokens", "scale"?, "positions"?, "position_offset"?, "padding_id"?, "token_types"?, "norm"?, "projection"?,
    /// "positions_follow_projection"?}`.
    ///
    /// Rows of tokens are multiplied by `scale` (Gemma). With `positions_follow_projection` (OPT), positions are added to what
    /// the projection gives.
    ///
    /// With `padding_id` (RoBERTa), tokens that equal it take position row `padding_id` and are not counted; the others
    /// take rows `padding_id + 1, padding_id + 2, ...`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        tokens = try weights.table(fields["tokens"], path: "\(fields.name).tokens")
        scale = Float(try fields.number("scale", default: 1))
        positions =
            try fields["positions"] == nil
            ? nil : weights.table(fields["positions"], path: "\(fields.name).positions")
        positionOffset = try fields.integer("position_offset", in: 0...1_048_576, default: 0)
        paddingID = try fields.optionalInteger("padding_id", in: 0...Int(Int32.max)).map(Int32.init)
        types =
            try fields["token_types"] == nil
            ? nil : weights.table(fields["token_types"], path: "\(fields.name).token_types")
        norm = try fields.norm("norm", weights)
        projection =
            fields["projection"] == nil
            ? nil : try weights.linear(fields["projection"], path: "\(fields.name).projection")
        positionsFollowProjection = try fields.bool("positions_follow_projection", default: false)
        guard projection != nil || !positionsFollowProjection else {
            throw Failure(.corrupt, "\(fields.name).positions_follow_projection: there is no projection")
        }
        let widths = [
            ("positions", positions?.columns, positionsFollowProjection ? projection?.outputs : tokens.columns),
            ("token_types", types?.columns, tokens.columns), ("norm", norm?.size, tokens.columns),
            ("projection", projection?.inputs, tokens.columns),
        ]
        for (name, width, expected) in widths {
            if let width, let expected, width != expected {
                throw Failure(
                    .corrupt, "\(fields.name).\(name): is for rows of \(width) elements, not \(expected)")
            }
        }
    }

    public var hiddenSize: Int { projection?.outputs ?? tokens.columns }
    public var vocabularySize: Int { tokens.rows }
    public var tokenTypes: Int { types?.rows ?? 0 }
    public var image: ImageFormat? { nil }
    public var maximumTokens: Int? {
        positions.map { max(0, $0.rows - (paddingID.map { Int($0) + 1 } ?? positionOffset)) }
    }
    public var multiplyAddsPerToken: Int { projection?.multiplyAdds ?? 0 }
    public var parameters: Int {
        [tokens, positions, types].compactMap { $0 }.reduce(0) { $0 + $1.rows * $1.columns } + (norm?.parameters ?? 0)
            + (projection?.parameters ?? 0)
    }

    public func workspaceFloats(rows: Int) -> Int {
        Workspace.floats(rows, 1) + (projection == nil ? 0 : Workspace.floats(rows, tokens.columns))
    }

    public func apply(_ input: EmbeddingInput, into stream: Matrix, _ context: ForwardContext) throws(Failure) {
        guard case .tokens(let ids, let typeIDs) = input, let ids = ids.baseAddress else {
            throw Failure(.internal, "an embedding of tokens was given no token ids")
        }
        let mark = context.workspace.mark
        let indices = try context.workspace.take(stream.rows, 1)
        let sum = projection == nil ? stream : try context.workspace.take(stream.rows, tokens.columns)
        tokens.gather(ids, into: sum, adding: false, scale: scale, threads: context.threads)
        try indices.pointer.withMemoryRebound(to: Int32.self, capacity: stream.rows) { index throws(Failure) in
            if let types {
                for row in 0..<stream.rows { index[row] = typeIDs.isEmpty ? 0 : typeIDs[row] }
                types.gather(index, into: sum, adding: true, threads: context.threads)
            }
            if !positionsFollowProjection { addPositions(ids, index, to: sum, context) }
            norm?.apply(sum, into: sum, threads: context.threads)
            if let projection {
                sum.multiply(Product(projection, output: stream), threads: context.threads)
            }
            if positionsFollowProjection { addPositions(ids, index, to: stream, context) }
        }
        context.workspace.release(to: mark)
    }

    /// Adds the rows of positions, whose numbers are written to `index`.
    private func addPositions(
        _ ids: UnsafePointer<Int32>, _ index: UnsafeMutablePointer<Int32>, to sum: Matrix, _ context: ForwardContext
    ) {
        guard let positions else { return }
        writePositions(ids, context, to: index)
        positions.gather(index, into: sum, adding: true, threads: context.threads)
    }

    private func writePositions(
        _ ids: UnsafePointer<Int32>, _ context: ForwardContext, to index: UnsafeMutablePointer<Int32>
    ) {
        for sequence in 0..<context.sequences {
            var next = (paddingID ?? 0) + 1
            for row in context.offsets[sequence]..<context.offsets[sequence + 1] {
                guard let paddingID else {
                    index[row] = context.positions[row] + Int32(truncatingIfNeeded: positionOffset)
                    continue
                }
                index[row] = ids[row] == paddingID ? paddingID : next
                if ids[row] != paddingID { next += 1 }
            }
        }
    }
}
