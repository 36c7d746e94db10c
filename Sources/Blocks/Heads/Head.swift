public import NestlingBasics
public import NestlingTensors

/// What is read off the end of the network: rows of the last hidden states through a chain of linear layers and norms, or the
/// mean of what several such chains give.
///
/// Every classifier and language-model head of the encoder families is such a chain: BERT's masked language model is
/// `linear gelu, norm, linear` over all tokens, its classifier `linear tanh, linear` over the first. DeiT's classifier is the
/// mean of two, over the first token and over the second (Touvron et al., arXiv 2012.12877). A pooler, which makes vectors
/// instead of scores, is one as well.
public struct Head: Sendable {
    private let chains: [HeadChain]
    /// Elements of each row.
    public let outputs: Int
    /// Whether it gives a row for each token, and not for each sequence.
    public let isPerToken: Bool
    /// What reads the rows, as the architecture names it.
    public let inputName: String

    /// Reads `{"input": ..., "steps": [...]}` (``HeadChain``), or `{"mean_of": [{"input": ..., "steps": [...]}, ...]}`.
    ///
    /// - Parameter givesScores: then the last step must be a linear layer.
    public init(
        _ fields: JSONFields, hiddenSize: Int, _ weights: any WeightSource, givesScores: Bool = true
    ) throws(Failure) {
        let nodes = try fields.optionalObjects("mean_of") ?? [fields]
        var chains: [HeadChain] = []
        for node in nodes { chains.append(try HeadChain(node, hiddenSize: hiddenSize, weights)) }
        guard let first = chains.first else { throw Failure(.corrupt, "\(fields.name).mean_of: is empty") }
        for chain in chains {
            guard chain.outputs == first.outputs, chain.input.isPerToken == first.input.isPerToken else {
                throw Failure(.corrupt, "\(fields.name).mean_of: the shapes of the results differ")
            }
            guard chain.endsLinear || !givesScores else {
                throw Failure(.unsupported, "\(fields.name).steps: the last step must be a linear layer")
            }
        }
        guard givesScores || !first.input.isPerToken else {
            throw Failure(
                .unsupported, "\(fields.name).input: a pooler gives a row for each sequence, not for each token")
        }
        self.chains = chains
        outputs = first.outputs
        isPerToken = first.input.isPerToken
        inputName = nodes.count == 1 ? try nodes[0].string("input") : "mean_of"
    }

    /// The pooling that reads the same rows, if there is one.
    public var pooling: Pooling? { chains.count == 1 ? chains[0].input.pooling : nil }

    /// Tokens of each sequence that it reads, with `pooling` instead of its own input; `nil`: all.
    public func tokensRead(_ pooling: Pooling? = nil) -> SpecialTokens? {
        if let pooling { return pooling.tokensRead }
        return SpecialTokens(all: chains.map(\.input.tokensRead))
    }

    /// The rows of a sequence that it reads, with `pooling` instead of its own input; `nil`: all.
    public func rows(of sequence: Int, pooling: Pooling? = nil, _ context: ForwardContext) -> [Int]? {
        if let pooling { return pooling.row(context.map(of: sequence)).map { [$0] } }
        return [Int](rows: chains.map { $0.input.row(of: sequence, context) })
    }

    /// Learned numbers.
    public var parameters: Int { chains.reduce(0) { $0 + $1.parameters } }
    /// Multiply-adds for each row, those of gathering what it reads not counted.
    public var multiplyAdds: Int { chains.reduce(0) { $0 + $1.multiplyAdds } }

    /// Floats of workspace that ``apply(_:into:pooling:_:)`` takes.
    public func workspaceFloats(rows: Int) -> Int {
        let own = chains.map { $0.workspaceFloats(rows: rows) }.max() ?? 0
        return own + (chains.count > 1 ? Workspace.floats(rows, outputs) : 0)
    }

    /// Writes `[rows, outputs]` to `output`: a row for each token of `stream`, or for each sequence.
    ///
    /// - Parameter pooling: reads rows instead of the head's own input, for heads of sequences.
    public func apply(
        _ stream: Matrix, into output: Matrix, pooling: Pooling? = nil, _ context: ForwardContext
    ) throws(Failure) {
        try chains[0].apply(stream, into: output, pooling: pooling, context)
        guard chains.count > 1 else { return }
        let mark = context.workspace.mark
        let other = try context.workspace.take(output.rows, outputs)
        for chain in chains.dropFirst() {
            try chain.apply(stream, into: other, pooling: pooling, context)
            output.forEachElement { row, column, value in value + other.row(row)[column] }
        }
        output.forEachElement { _, _, value in value / Float(chains.count) }
        context.workspace.release(to: mark)
    }
}

extension [Int] {
    /// Rows that several readers read, rising, each once; `nil` if one of them reads all.
    public init?(rows: [Int?]) {
        let known = rows.compactMap { $0 }
        guard known.count == rows.count else { return nil }
        self = Set(known).sorted()
    }
}

extension Matrix {
    /// Replaces every element.
    fileprivate func forEachElement(_ change: (_ row: Int, _ column: Int, _ value: Float) -> Float) {
        for row in 0..<rows {
            let values = self.row(row)
            for column in 0..<columns { values[column] = change(row, column, values[column]) }
        }
    }
}
