public import Basics
public import Tensors

/// `Wd (act(Wg x) * (Wu x))`, a gated linear unit (Shazeer, arXiv 2002.05202); `Wg` and `Wu` of shape `[width, hidden]`.
/// Nested like ``MLP``: the first `m` rows of both and the first `m` columns of `Wd`. A tensor in which gate and up are
/// fused is two linears here, each with its part of the rows.
public struct GatedMLP: Channel {
    private let gate: any Linear
    private let up: any Linear
    private let down: any Linear
    private let activation: Activation

    /// Reads `{"width", "hidden_size", "activation", "gate", "up", "down"}`; the activation is that of the gate.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        let width = try fields.integer("width", in: 1...Int.max)
        let hidden = try fields.integer("hidden_size", in: 1...Int.max)
        activation = try fields.activation("activation")
        gate = try fields.linear("gate", outputs: width, inputs: hidden, weights)
        up = try fields.linear("up", outputs: width, inputs: hidden, weights)
        down = try fields.linear("down", outputs: hidden, inputs: width, weights)
    }

    private init(gate: any Linear, up: any Linear, down: any Linear, activation: Activation) {
        self.gate = gate
        self.up = up
        self.down = down
        self.activation = activation
    }

    public var width: Int { up.outputs }
    public var parameters: Int { gate.parameters + up.parameters + down.parameters }
    public var multiplyAddsPerToken: Int { gate.multiplyAdds + up.multiplyAdds + down.multiplyAdds }

    public func keeping(width: Int) -> any Channel {
        GatedMLP(
            gate: gate.prefix(outputs: width, inputs: gate.inputs), up: up.prefix(outputs: width, inputs: up.inputs),
            down: down.prefix(outputs: down.outputs, inputs: width), activation: activation)
    }

    public func workspaceFloats(rows: Int) -> Int { Workspace.spreadFloats(rows, width) }

    public func apply(_ input: Matrix, addingTo stream: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let hidden = try context.workspace.takeSpread(input.rows, width)
        // First up, then activation(gate) multiplied by it where it lies: one buffer instead of two.
        input.multiply(Product(up, output: hidden), threads: context.threads)
        input.multiply(
            Product(gate, activation: activation, multiplier: hidden, output: hidden), threads: context.threads)
        hidden.multiply(Product(down, residual: stream, output: stream), threads: context.threads)
        context.workspace.release(to: mark)
    }
}
