public import NestlingBasics
public import NestlingTensors

/// `Wd (act(Wg x) * (Wu x))`, a gated linear unit (Shazeer, arXiv 2002.05202); `Wg` and `Wu` of shape `[width, hidden]`.
/// Nested like ``MLP``: the first `m` rows of both and the first `m` columns of `Wd`. A tensor in which gate and up are
/// fused is two linears here, each with its part of the rows. Gates may be made sparse before their activation
/// (``ActivationSparsity``).
public struct GatedMLP: Channel {
    private let gate: any Linear
    private let up: any Linear
    private let down: any Linear
    private let activation: Activation
    private let sparsity: ActivationSparsity?

    /// Reads `{"width", "hidden_size", "activation", "gate", "up", "down", "sparsity"?}`; the activation is that of the gate.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        let width = try fields.integer("width", in: 1...Int.max)
        let hidden = try fields.integer("hidden_size", in: 1...Int.max)
        activation = try fields.activation("activation")
        gate = try fields.linear("gate", outputs: width, inputs: hidden, weights)
        up = try fields.linear("up", outputs: width, inputs: hidden, weights)
        down = try fields.linear("down", outputs: hidden, inputs: width, weights)
        sparsity = try ActivationSparsity(fields)
    }

    private init(_ whole: GatedMLP, width: Int) {
        gate = whole.gate.prefix(outputs: width, inputs: whole.gate.inputs)
        up = whole.up.prefix(outputs: width, inputs: whole.up.inputs)
        down = whole.down.prefix(outputs: whole.down.outputs, inputs: width)
        activation = whole.activation
        sparsity = whole.sparsity
    }

    public var width: Int { up.outputs }
    public var parameters: Int { gate.parameters + up.parameters + down.parameters }
    public var multiplyAddsPerToken: Int { gate.multiplyAdds + up.multiplyAdds + down.multiplyAdds }

    public func keeping(width: Int) -> any Channel { GatedMLP(self, width: width) }

    public func workspaceFloats(rows: Int) -> Int { Workspace.spreadFloats(rows, width) }

    public func apply(_ input: Matrix, addingTo stream: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let hidden = try context.workspace.takeSpread(input.rows, width)
        if let sparsity {
            input.multiply(Product(gate, output: hidden), threads: context.threads)
            sparsity.apply(hidden, threads: context.threads)
            hidden.activate(activation, threads: context.threads)
            input.multiply(Product(up, multiplier: hidden, output: hidden), threads: context.threads)
        } else {
            // First up, then activation(gate) multiplied by it where it lies: one buffer instead of two.
            input.multiply(Product(up, output: hidden), threads: context.threads)
            input.multiply(
                Product(gate, activation: activation, multiplier: hidden, output: hidden), threads: context.threads)
        }
        hidden.multiply(Product(down, residual: stream, output: stream), threads: context.threads)
        context.workspace.release(to: mark)
    }
}
