import NestlingBasics
public import NestlingBlocks
public import NestlingCheckpoints
import NestlingTensors

/// From hidden states to sequence vectors, as sentence-transformers' `modules.json` says: pooling (several are put side by
/// side), what follows it, and scaling to length 1; or, where that says nothing, by the pooler that the family has of its own.
public struct SentencePipeline: Sendable {
    private enum Step: Sendable {
        /// `activation(W x + b)`, plus `x` or its projection if it is residual.
        case dense(any Linear, Activation, isResidual: Bool, projection: (any Linear)?)
        case norm(any Norm)
        case normalize
    }

    /// The poolings, whose results lie side by side; empty if a pooler of the family reads rows in another way.
    public let poolings: [Pooling]
    /// Their names.
    public let poolingNames: [String]
    /// Whether the checkpoint asks for vectors of length 1.
    public let normalizes: Bool
    /// Whether the tokens of a prompt count in a mean.
    public let includesPrompt: Bool
    /// Elements of a vector.
    public let dimensions: Int
    /// Learned numbers.
    public let parameters: Int
    /// Multiply-adds for each vector.
    var multiplyAdds: Int {
        steps.reduce(pooler?.multiplyAdds ?? 0) { sum, step in
            guard case .dense(let linear, _, _, let projection) = step else { return sum }
            return sum + linear.multiplyAdds + (projection?.multiplyAdds ?? 0)
        }
    }
    private let steps: [Step]
    private let pooler: Head?
    /// Elements that the first step with weights expects; `nil` without one.
    private let expectedInputs: Int?

    /// Builds what `settings` say, or takes `familyPooler` if no modules are listed, with the weights that `weights` finds in the folder of each module.
    init(
        _ settings: SentenceTransformersSettings, hiddenSize: Int, _ familyPooler: Head?,
        weights: (_ folder: String) throws(Failure) -> any WeightSource
    ) throws(Failure) {
        if let pooled = settings.pooledDimension, pooled != hiddenSize {
            throw Failure(
                .corrupt, "the pooling's config.json expects \(pooled) features, the network gives \(hiddenSize)")
        }
        pooler = settings.hasModules ? nil : familyPooler
        if let pooler {
            poolings = pooler.pooling.map { [$0] } ?? []
            poolingNames = [pooler.pooling?.name ?? pooler.inputName]
        } else {
            poolings = settings.pooling.isEmpty ? [.mean] : settings.pooling.map(Pooling.init)
            poolingNames = poolings.map(\.name)
        }
        includesPrompt = settings.includesPrompt
        var steps: [Step] = []
        var dimensions = pooler?.outputs ?? hiddenSize * poolings.count
        var parameters = pooler?.parameters ?? 0
        var expectedInputs: Int?
        for step in settings.steps {
            switch step {
            case .normalize: steps.append(.normalize)
            case .layerNorm(let folder, let size):
                let node: JSON = [
                    "size": .integer(size), "epsilon": 1e-5, "weight": "norm.weight", "bias": "norm.bias",
                ]
                let norm = try LayerNorm(JSONFields(node, name: folder), try weights(folder))
                parameters += norm.parameters
                steps.append(.norm(norm))
                expectedInputs = expectedInputs ?? size
            case .dense(let dense):
                let source = try weights(dense.folder)
                func linear(_ name: String, bias: Bool) throws(Failure) -> any Linear {
                    let node = LinearNode(
                        weight: "\(name).weight", bias: bias ? "\(name).bias" : nil, rows: dense.outputs,
                        columns: dense.inputs)
                    return try source.linear(node.json, path: "\(dense.folder).\(name)")
                }
                let main = try linear("linear", bias: dense.hasBias)
                let projects = dense.isResidual && dense.inputs != dense.outputs
                let projection = projects ? try linear("residual", bias: false) : nil
                parameters += main.parameters + (projection?.parameters ?? 0)
                steps.append(
                    .dense(main, Activation(dense.activation), isResidual: dense.isResidual, projection: projection))
                expectedInputs = expectedInputs ?? dense.inputs
                dimensions = dense.outputs
            }
        }
        if case .normalize? = steps.last {
            normalizes = true
            steps.removeLast()
        } else {
            normalizes = false
        }
        self.steps = steps
        self.expectedInputs = expectedInputs
        self.dimensions = dimensions
        self.parameters = parameters
    }

    /// Makes sure that the options fit the steps with weights.
    func check(_ options: VectorOptions, hiddenSize: Int) throws(Failure) {
        guard options.pooling != nil, poolings.count != 1, let expectedInputs else { return }
        throw Failure(
            .unsupported,
            "a single pooling gives \(hiddenSize) elements, the checkpoint's next module needs \(expectedInputs)")
    }

    /// Elements of a vector with these options.
    func dimensions(_ options: VectorOptions, hiddenSize: Int) -> Int {
        options.pooling != nil && expectedInputs == nil && pooler == nil ? hiddenSize : dimensions
    }

    /// Tokens of each sequence that its vector is made of; `nil`: all.
    func tokensRead(_ options: VectorOptions) -> SpecialTokens? {
        if let pooler { return pooler.tokensRead(options.pooling) }
        return SpecialTokens(all: poolings(options).map(\.tokensRead))
    }

    /// The rows of a sequence that its vector is made of; `nil`: all.
    func rows(of sequence: Int, _ options: VectorOptions, _ context: ForwardContext) -> [Int]? {
        if let pooler { return pooler.rows(of: sequence, pooling: options.pooling, context) }
        let map = context.map(of: sequence)
        return [Int](rows: poolings(options).map { $0.row(map) })
    }

    /// The caller's pooling, or those of the checkpoint.
    private func poolings(_ options: VectorOptions) -> [Pooling] { options.pooling.map { [$0] } ?? poolings }

    /// Floats of workspace that ``apply(_:into:_:_:)`` takes.
    func workspaceFloats(rows: Int, sequences: Int, hiddenSize: Int) -> Int {
        if let pooler {
            return Workspace.floats(sequences, pooler.outputs) + pooler.workspaceFloats(rows: rows)
        }
        return steps.reduce(Workspace.floats(sequences, hiddenSize * poolings.count)) { sum, step in
            guard case .dense(let linear, _, _, _) = step else { return sum }
            return sum + Workspace.floats(sequences, linear.outputs)
        }
    }

    /// Writes the leading elements of a vector for each sequence of `stream` to `vectors` `[sequences, dimensions]`.
    func apply(
        _ stream: Matrix, into vectors: Matrix, _ options: VectorOptions, _ context: ForwardContext
    ) throws(Failure) {
        let mark = context.workspace.mark
        if let pooler {
            let pooled = try context.workspace.take(context.sequences, pooler.outputs)
            try pooler.apply(stream, into: pooled, pooling: options.pooling, context)
            write(pooled, to: vectors, options)
            return context.workspace.release(to: mark)
        }
        let poolings = poolings(options)
        var current = try context.workspace.take(context.sequences, stream.columns * poolings.count)
        for (index, pooling) in poolings.enumerated() {
            let part = Matrix(
                current.pointer + index * stream.columns, rows: current.rows, columns: stream.columns,
                stride: current.stride)
            pooling.apply(stream, into: part, skipping: options.skippedTokens, context)
        }
        for step in steps {
            switch step {
            case .normalize: current.normalizeRows()
            case .norm(let norm): norm.apply(current, into: current, threads: context.threads)
            case .dense(let linear, let activation, let isResidual, let projection):
                let output = try context.workspace.take(context.sequences, linear.outputs)
                if let projection {
                    current.multiply(Product(projection, output: output), threads: context.threads)
                }
                let residual = isResidual ? (projection == nil ? current : output) : nil
                current.multiply(
                    Product(linear, activation: activation, residual: residual, output: output),
                    threads: context.threads)
                current = output
            }
        }
        write(current, to: vectors, options)
        context.workspace.release(to: mark)
    }

    private func write(_ rows: Matrix, to vectors: Matrix, _ options: VectorOptions) {
        for row in 0..<vectors.rows { vectors.row(row).update(from: rows.row(row), count: vectors.columns) }
        if options.normalizes ?? normalizes { vectors.normalizeRows() }
    }
}

extension Pooling {
    /// The same pooling, as sentence-transformers names it.
    public init(_ mode: PoolingMode) {
        self =
            switch mode {
            case .first: .cls
            case .maximum: .max
            case .mean: .mean
            case .meanSquareRoot: .meanSquareRootLength
            case .weightedMean: .weightedMean
            case .last: .last
            }
    }
}

extension Activation {
    /// The same activation, as torch names it.
    fileprivate init(_ activation: VectorStep.Activation) {
        self =
            switch activation {
            case .identity: .identity
            case .tanh: .tanh
            case .relu: .relu
            case .gelu: .gelu
            case .sigmoid: .sigmoid
            case .silu: .silu
            }
    }
}
