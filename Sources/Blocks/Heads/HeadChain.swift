import NestlingBasics
import NestlingKernels
import NestlingTensors

/// Some rows of the last hidden states through a chain of linear layers, norms and sublayers.
struct HeadChain: Sendable {
    private enum Step: Sendable {
        /// With a cap `c` on what it gives: `c tanh(y / c)` (Gemma 2); 0: none.
        case linear(any Linear, Activation, softcap: Float)
        case norm(any Norm)
        /// Of a channel: each row alone.
        case sublayer(Sublayer)
    }

    /// Which rows are read.
    let input: HeadInput
    /// Elements of each row of the result.
    let outputs: Int
    private let steps: [Step]
    private let widest: Int
    private let hiddenSize: Int

    /// Reads `{"input": ..., "steps": [{"linear": ..., "activation"?, "softcap"?}, {"norm": ...} or {"sublayer": ...}]}`.
    init(_ fields: JSONFields, hiddenSize: Int, _ weights: any WeightSource) throws(Failure) {
        input = try HeadInput(fields, hiddenSize: hiddenSize, weights)
        self.hiddenSize = hiddenSize
        var steps: [Step] = []
        var width = input.width(hiddenSize)
        var widest = input.isPerToken ? 0 : width
        let nodes = try fields.optionalObjects("steps") ?? []
        for (index, node) in nodes.enumerated() {
            let place = "\(fields.name).steps[\(index)]"
            if let norm = try node.norm("norm", weights) {
                guard norm.size == width else {
                    throw Failure(.corrupt, "\(place): norm of size \(norm.size), expected \(width)")
                }
                steps.append(.norm(norm))
            } else if let sublayer = try node.optionalObject("sublayer") {
                let sublayer = try Sublayer(sublayer, hiddenSize: width, weights)
                guard case .channel = sublayer.operation else {
                    throw Failure(.unsupported, "\(place): tokens cannot meet in a head")
                }
                steps.append(.sublayer(sublayer))
            } else {
                let linear = try weights.linear(node["linear"], path: "\(place).linear")
                guard linear.inputs == width else {
                    throw Failure(.corrupt, "\(place): linear layer of \(linear.inputs) inputs, expected \(width)")
                }
                let softcap = Float(try node.number("softcap", default: 0))
                guard softcap >= 0, softcap.isFinite, softcap == 0 || (1 / softcap).isFinite else {
                    throw node.failure("softcap", "must be positive and finite, or 0")
                }
                steps.append(.linear(linear, try node.activation("activation", default: .identity), softcap: softcap))
                width = linear.outputs
            }
            // The last and often widest product (a vocabulary) goes straight to the caller.
            if index == nodes.count - 1, case .linear? = steps.last { continue }
            widest = max(widest, width)
        }
        self.steps = steps
        self.widest = widest
        outputs = width
    }

    /// Whether the last step is a linear layer.
    var endsLinear: Bool {
        if case .linear? = steps.last { return true }
        return false
    }

    /// Learned numbers.
    var parameters: Int {
        steps.reduce(input.parameters) { sum, step in
            switch step {
            case .linear(let linear, _, _): sum + linear.parameters
            case .norm(let norm): sum + norm.parameters
            case .sublayer(let sublayer): sum + sublayer.parameters
            }
        }
    }

    /// Multiply-adds of the steps for each row of the result.
    var multiplyAdds: Int {
        steps.reduce(0) { sum, step in
            switch step {
            case .linear(let linear, _, _): sum + linear.multiplyAdds
            case .norm: sum
            case .sublayer(let sublayer): sum + sublayer.multiplyAddsPerToken
            }
        }
    }

    /// Floats of workspace that ``apply(_:into:pooling:_:)`` takes for so many rows of the stream.
    func workspaceFloats(rows: Int) -> Int {
        let inside = steps.reduce(input.workspaceFloats(rows: rows)) { most, step in
            guard case .sublayer(let sublayer) = step else { return most }
            return max(most, sublayer.workspaceFloats(StreamExtent(rows: rows, sequences: rows), hidden: widest))
        }
        return 2 * Workspace.floats(rows, widest) + inside
    }

    /// Writes `[rows, outputs]` to `output`: a row for each token of `stream`, or for each sequence. With `pooling`, that takes
    /// the place of the input.
    func apply(
        _ stream: Matrix, into output: Matrix, pooling: Pooling?, _ context: ForwardContext
    ) throws(Failure) {
        let mark = context.workspace.mark
        let buffers = (try context.workspace.take(output.rows, widest), try context.workspace.take(output.rows, widest))
        var current = stream
        var writesFirst = true
        func nextBuffer(columns: Int) -> Matrix {
            defer { writesFirst.toggle() }
            let buffer = writesFirst ? buffers.0 : buffers.1
            return Matrix(buffer.pointer, rows: output.rows, columns: columns, stride: widest)
        }
        if let pooling {
            current = nextBuffer(columns: stream.columns)
            pooling.apply(stream, into: current, context)
        } else if !input.isPerToken {
            current = nextBuffer(columns: input.width(hiddenSize))
            try input.apply(stream, into: current, context)
        }
        for (index, step) in steps.enumerated() {
            switch step {
            case .norm(let norm):
                let target = nextBuffer(columns: current.columns)
                norm.apply(current, into: target, threads: context.threads)
                current = target
            case .sublayer(let sublayer):
                let target = nextBuffer(columns: current.columns)
                target.copyRows(of: current)
                try sublayer.apply(target, context)
                current = target
            case .linear(let linear, let activation, let softcap):
                let target = index == steps.count - 1 ? output : nextBuffer(columns: linear.outputs)
                current.multiply(Product(linear, activation: activation, output: target), threads: context.threads)
                if softcap > 0 { target.cap(at: softcap, threads: context.threads) }
                current = target
            }
        }
        if !endsLinear { output.copyRows(of: current) }
        context.workspace.release(to: mark)
    }
}

extension Matrix {
    /// `c tanh(x / c)` of each element.
    fileprivate func cap(at cap: Float, threads: Int) {
        parallel(rows, threads: threads) { index in
            let values = row(index)
            for column in 0..<columns { values[column] /= cap }
            nk_activate(values, columns, 1, columns, NK_TANH, 1)
            for column in 0..<columns { values[column] *= cap }
        }
    }

    /// Writes the rows of `source`, of the same shape, to this memory.
    fileprivate func copyRows(of source: Matrix) {
        for index in 0..<rows { row(index).update(from: source.row(index), count: columns) }
    }
}
