public import NestlingBasics
public import NestlingTensors

/// The mean of the first stream and of projections of the others, each scaled to the root mean square of the first (Gemma 3n):
///
///     y_0 = s_0,   y_i = U_i s_i rms(s_0) / sqrt(max(mean((U_i s_i)^2), 1e-5)),   h = mean(y)     U_i of shape [hidden, hidden]
public struct StreamMean: Readout {
    public let hiddenSize: Int
    private let projections: [any Linear]

    /// Reads `{"hidden_size", "projections"}`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        hiddenSize = try fields.integer("hidden_size", in: 1...Int(Int32.max))
        projections = try fields.projections(size: hiddenSize, weights)
    }

    public var streamSize: Int { (projections.count + 1) * hiddenSize }
    public var parameters: Int { projections.reduce(0) { $0 + $1.parameters } }
    public var multiplyAddsPerToken: Int { projections.reduce(0) { $0 + $1.multiplyAdds } }

    public func workspaceFloats(rows: Int) -> Int {
        projections.isEmpty ? 0 : Workspace.floats(rows, hiddenSize)
    }

    public func apply(_ stream: Matrix, into output: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let first = stream.stream(0, size: hiddenSize)
        output.set(to: first, threads: context.threads)
        for (index, projection) in projections.enumerated() {
            let own = try context.workspace.take(stream.rows, hiddenSize)
            stream.stream(index + 1, size: hiddenSize).multiply(
                Product(projection, output: own), threads: context.threads)
            own.matchMagnitudes(of: first, threads: context.threads)
            output.add(own, threads: context.threads)
            context.workspace.release(to: mark)
        }
        output.scale(by: 1 / Float(projections.count + 1), threads: context.threads)
    }
}
