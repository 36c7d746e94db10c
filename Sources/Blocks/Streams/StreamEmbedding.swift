public import NestlingBasics
import NestlingImages
public import NestlingTensors

/// Rows of several streams side by side (AltUp, as in Gemma 3n): what another embedding gives, and projections of it, each scaled
/// to the root mean square of that.
///
///     s_0 = x,   s_i = P_i x rms(x) / sqrt(max(mean((P_i x)^2), 1e-5))     P_i of shape [hidden, hidden]
public struct StreamEmbedding: Embedding {
    private let first: any Embedding
    private let projections: [any Linear]

    /// Reads `{"first", "projections"}`: an embedding of token ids, and linear layers.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        let node = try fields.object("first")
        guard try node.string("type", default: "tokens") != "streams" else {
            throw Failure(.unsupported, "\(node.name): streams of streams are not supported")
        }
        first = try Registry.build(Registry.embeddings, node, weights, kind: "embedding", default: "tokens")
        guard first.image == nil else { throw Failure(.unsupported, "\(node.name): streams are made of tokens only") }
        projections = try fields.projections(size: first.hiddenSize, weights)
    }

    public var hiddenSize: Int { (projections.count + 1) * first.hiddenSize }
    public var parameters: Int { projections.reduce(first.parameters) { $0 + $1.parameters } }
    public var multiplyAddsPerToken: Int { projections.reduce(first.multiplyAddsPerToken) { $0 + $1.multiplyAdds } }
    public var vocabularySize: Int { first.vocabularySize }
    public var tokenTypes: Int { first.tokenTypes }
    public var maximumTokens: Int? { first.maximumTokens }
    public var image: ImageFormat? { nil }

    public func workspaceFloats(rows: Int) -> Int {
        Workspace.floats(rows, first.hiddenSize) + first.workspaceFloats(rows: rows)
    }

    public func apply(_ input: EmbeddingInput, into stream: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let rows = try context.workspace.take(stream.rows, first.hiddenSize)
        try first.apply(input, into: rows, context)
        stream.stream(0, size: first.hiddenSize).set(to: rows, threads: context.threads)
        for (index, projection) in projections.enumerated() {
            let own = stream.stream(index + 1, size: first.hiddenSize)
            rows.multiply(Product(projection, output: own), threads: context.threads)
            own.matchMagnitudes(of: rows, threads: context.threads)
        }
        context.workspace.release(to: mark)
    }
}

extension JSONFields {
    /// The square linear layers of `size` outputs under `projections`; together with a first stream they make at most as many as
    /// there may be.
    func projections(size: Int, _ weights: any WeightSource) throws(Failure) -> [any Linear] {
        let nodes = try optionalObjects("projections") ?? []
        guard nodes.count < AltUp.mostStreams else {
            throw failure("projections", "are \(nodes.count), expected less than \(AltUp.mostStreams)")
        }
        var projections: [any Linear] = []
        for node in nodes {
            let linear = try weights.linear(.object(node.object), path: node.name)
            guard linear.outputs == size, linear.inputs == size else {
                throw Failure(
                    .corrupt, "\(node.name): is \(linear.outputs) x \(linear.inputs), expected \(size) x \(size)")
            }
            projections.append(linear)
        }
        return projections
    }
}
