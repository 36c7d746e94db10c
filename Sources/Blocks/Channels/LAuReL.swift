public import NestlingBasics
public import NestlingTensors

/// `x + norm(W_r W_l x)`, a learned residual of low rank (LAuReL; Menghani et al., arXiv 2411.07501), as Gemma 3n has it: `W_l` of
/// shape `[rank, hidden]`. It does not nest.
public struct LAuReL: Channel {
    private let left: any Linear
    private let right: any Linear
    private let norm: any Norm

    /// Reads `{"rank", "hidden_size", "left", "right", "norm"}`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        let rank = try fields.integer("rank", in: 1...Int(Int32.max))
        let hidden = try fields.integer("hidden_size", in: 1...Int(Int32.max))
        left = try fields.linear("left", outputs: rank, inputs: hidden, weights)
        right = try fields.linear("right", outputs: hidden, inputs: rank, weights)
        guard let norm = try fields.norm("norm", weights), norm.size == hidden else {
            throw Failure(.corrupt, "\(fields.name).norm: expected a norm of \(hidden) elements")
        }
        self.norm = norm
    }

    public var width: Int { 0 }
    public var parameters: Int { left.parameters + right.parameters + norm.parameters }
    public var multiplyAddsPerToken: Int { left.multiplyAdds + right.multiplyAdds }

    public func keeping(width: Int) -> any Channel { self }

    public func workspaceFloats(rows: Int) -> Int {
        Workspace.spreadFloats(rows, left.outputs) + Workspace.spreadFloats(rows, left.inputs)
    }

    public func apply(_ input: Matrix, addingTo stream: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let low = try context.workspace.takeSpread(input.rows, left.outputs)
        let learned = try context.workspace.takeSpread(input.rows, left.inputs)
        input.multiply(Product(left, output: low), threads: context.threads)
        low.multiply(Product(right, output: learned), threads: context.threads)
        norm.apply(learned, into: learned, threads: context.threads)
        learned.add(input, threads: context.threads)
        stream.add(learned, threads: context.threads)
        context.workspace.release(to: mark)
    }
}
