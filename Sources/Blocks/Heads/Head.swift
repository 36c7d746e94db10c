public import Basics
public import Tensors

/// What is read off the end of the network: rows of the last hidden states through a chain of linear layers and norms.
///
/// Every classifier and language-model head of the encoder families is such a chain: BERT's masked language model is
/// `linear gelu, norm, linear` over all tokens, its classifier `linear tanh, linear` over the first.
public struct Head: Sendable {
    /// Which rows a head reads.
    public enum Input: String, Sendable {
        /// Every token.
        case tokens
        /// The first token of each sequence.
        case first
        /// The mean of each sequence.
        case mean
    }

    private enum Step: Sendable {
        case linear(any Linear, Activation)
        case norm(any Norm)
    }

    /// Which rows are read.
    public let input: Input
    /// Scores for each row.
    public let outputs: Int
    private let steps: [Step]
    private let widest: Int

    /// Reads `{"input": "tokens" | "first" | "mean", "steps": [{"linear": ..., "activation"?} or {"norm": ...}]}`.
    public init(_ fields: JSONFields, hiddenSize: Int, _ weights: any WeightSource) throws(Failure) {
        guard let input = Input(rawValue: try fields.string("input")) else {
            throw Failure(.unsupported, "\(fields.name).input: is none of tokens, first, mean")
        }
        self.input = input
        var steps: [Step] = []
        var width = hiddenSize
        var widest = input == .tokens ? 0 : hiddenSize
        let nodes = try fields.optionalObjects("steps") ?? []
        for (index, node) in nodes.enumerated() {
            let place = "\(fields.name).steps[\(index)]"
            if let norm = try node.norm("norm", weights) {
                guard norm.size == width else {
                    throw Failure(.corrupt, "\(place): norm of size \(norm.size), expected \(width)")
                }
                steps.append(.norm(norm))
            } else {
                let linear = try weights.linear(node["linear"], path: "\(place).linear")
                guard linear.inputs == width else {
                    throw Failure(.corrupt, "\(place): linear layer of \(linear.inputs) inputs, expected \(width)")
                }
                steps.append(.linear(linear, try node.activation("activation", default: .identity)))
                width = linear.outputs
            }
            if index < nodes.count - 1 { widest = max(widest, width) }
        }
        guard case .linear? = steps.last else {
            throw Failure(.unsupported, "\(fields.name).steps: the last step must be a linear layer")
        }
        self.steps = steps
        self.widest = widest
        outputs = width
    }

    /// Learned numbers.
    public var parameters: Int {
        steps.reduce(0) { sum, step in
            switch step {
            case .linear(let linear, _): sum + linear.parameters
            case .norm(let norm): sum + norm.parameters
            }
        }
    }

    /// Floats of workspace that ``apply(_:into:_:)`` takes.
    public func workspaceFloats(rows: Int) -> Int { 2 * Workspace.floats(rows, widest) }

    /// Writes `[rows, outputs]` to `output`: a row for each token of `stream`, or for each sequence.
    public func apply(_ stream: Matrix, into output: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let buffers = (try context.workspace.take(output.rows, widest), try context.workspace.take(output.rows, widest))
        var current = stream
        var writesFirst = true
        func nextBuffer(columns: Int) -> Matrix {
            defer { writesFirst.toggle() }
            let buffer = writesFirst ? buffers.0 : buffers.1
            return Matrix(buffer.pointer, rows: output.rows, columns: columns, stride: widest)
        }
        if input != .tokens {
            current = nextBuffer(columns: stream.columns)
            (input == .first ? Pooling.cls : Pooling.mean).apply(stream, into: current, context)
        }
        for (index, step) in steps.enumerated() {
            switch step {
            case .norm(let norm):
                let target = nextBuffer(columns: current.columns)
                norm.apply(current, into: target, threads: context.threads)
                current = target
            case .linear(let linear, let activation):
                // The last and often widest product (a vocabulary) goes straight to the caller.
                let target = index == steps.count - 1 ? output : nextBuffer(columns: linear.outputs)
                current.multiply(Product(linear, activation: activation, output: target), threads: context.threads)
                current = target
            }
        }
        context.workspace.release(to: mark)
    }
}
