import NestlingBasics
import NestlingTensors

/// What a layer adds that looks at the token itself, of which the stream has long become something else (per-layer embeddings,
/// PLE; Gemma 3n):
///
///     y = norm(W_o (act(W_g (scale * x)) * e_v))     W_g of shape [size, hidden], e_v: ``LayerEmbedding`` of the row's token v
struct TokenInput: Sendable {
    private let embedding: LayerEmbedding
    private let scale: Vector?
    private let gate: any Linear
    private let activation: Activation
    private let output: any Linear
    private let norm: any Norm

    /// Reads `{"size", "scale"?, "gate", "activation", "embedding", "output", "norm"}`, for rows of `hiddenSize` elements.
    init(_ fields: JSONFields, hiddenSize: Int, _ weights: any WeightSource) throws(Failure) {
        let size = try fields.integer("size", in: 1...Int(Int32.max))
        embedding = try LayerEmbedding(fields.object("embedding"), size: size, weights)
        scale = try fields.vector("scale", count: hiddenSize, weights)
        gate = try fields.linear("gate", outputs: size, inputs: hiddenSize, weights)
        activation = try fields.activation("activation")
        output = try fields.linear("output", outputs: hiddenSize, inputs: size, weights)
        guard let norm = try fields.norm("norm", weights), norm.size == hiddenSize else {
            throw Failure(.corrupt, "\(fields.name).norm: expected a norm of \(hiddenSize) elements")
        }
        self.norm = norm
    }

    /// Learned numbers, those of the tables not counted.
    var parameters: Int {
        gate.parameters + output.parameters + norm.parameters + (scale?.count ?? 0) + embedding.parameters
    }
    var multiplyAddsPerToken: Int { gate.multiplyAdds + output.multiplyAdds + embedding.multiplyAddsPerToken }

    func workspaceFloats(rows: Int) -> Int {
        2 * Workspace.spreadFloats(rows, gate.outputs) + Workspace.spreadFloats(rows, gate.inputs)
            + embedding.workspaceFloats(rows: rows)
    }

    /// Writes what is to be added for the rows `x`, one for each token of the context, to `result`.
    func apply(_ x: Matrix, into result: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let tokens = try context.workspace.takeSpread(x.rows, gate.outputs)
        try embedding.apply(context.tokenIDs, into: tokens, context)
        let scaled = try context.workspace.takeSpread(x.rows, x.columns)
        scaled.set(to: x, threads: context.threads)
        if let scale { scaled.multiplyColumns(by: scale, threads: context.threads) }
        let gated = try context.workspace.takeSpread(x.rows, gate.outputs)
        scaled.multiply(
            Product(gate, activation: activation, multiplier: tokens, output: gated), threads: context.threads)
        gated.multiply(Product(output, output: result), threads: context.threads)
        norm.apply(result, into: result, threads: context.threads)
        context.workspace.release(to: mark)
    }
}

extension Matrix {
    /// Multiplies each row by `factors`, element by element.
    fileprivate func multiplyColumns(by factors: Vector, threads: Int) {
        let factors = factors.pointer
        parallel(rows, threads: threads) { index in
            let values = row(index)
            for column in 0..<columns { values[column] *= factors[column] }
        }
    }
}
