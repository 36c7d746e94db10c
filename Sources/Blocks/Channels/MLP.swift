public import NestlingBasics
public import NestlingTensors

/// `W2 act(W1 x + b1) + b2`, `W1` of shape `[width, hidden]`. Nested as in MatFormer (arXiv 2310.07707): the first `m`
/// neurons are the first `m` rows of `W1` and `b1` and the first `m` columns of `W2`; `b2` stays whole.
public struct MLP: Channel {
    private let up: any Linear
    private let down: any Linear
    private let activation: Activation

    /// Reads `{"width", "hidden_size", "activation", "up", "down"}`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        let width = try fields.integer("width", in: 1...Int.max)
        let hidden = try fields.integer("hidden_size", in: 1...Int.max)
        activation = try fields.activation("activation")
        up = try fields.linear("up", outputs: width, inputs: hidden, weights)
        down = try fields.linear("down", outputs: hidden, inputs: width, weights)
    }

    private init(up: any Linear, down: any Linear, activation: Activation) {
        self.up = up
        self.down = down
        self.activation = activation
    }

    public var width: Int { up.outputs }
    public var parameters: Int { up.parameters + down.parameters }
    public var multiplyAddsPerToken: Int { up.multiplyAdds + down.multiplyAdds }

    public func keeping(width: Int) -> any Channel {
        MLP(
            up: up.prefix(outputs: width, inputs: up.inputs), down: down.prefix(outputs: down.outputs, inputs: width),
            activation: activation)
    }

    public func workspaceFloats(rows: Int) -> Int { Workspace.spreadFloats(rows, width) }

    public func apply(_ input: Matrix, addingTo stream: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let hidden = try context.workspace.takeSpread(input.rows, width)
        input.multiply(Product(up, activation: activation, output: hidden), threads: context.threads)
        hidden.multiply(Product(down, residual: stream, output: stream), threads: context.threads)
        context.workspace.release(to: mark)
    }
}
