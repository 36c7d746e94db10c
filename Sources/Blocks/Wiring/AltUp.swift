public import NestlingBasics
import NestlingKernels
public import NestlingTensors

/// Alternating updates (AltUp; Baykal et al., arXiv 2301.13310), as Gemma 3n has them: of `n` streams `s_j` the sublayers see one,
/// `a`, and the others follow it.
///
///     r(u) = tanh(R norm(u) / hidden)                       R of shape [n, hidden]
///     p_j  = s_j + sum_i (P r(s_a))_(n j + i) s_i           P of shape [n n, n]
///     x    = sublayers(p_a)
///     s_j  = p_j + (1 + (C r(x))_j) (x - p_a)               C of shape [n, n]
///
/// A token input, if there is one, reads the new `s_a`, and is added to all streams but the first.
public struct AltUp: Wiring {
    /// More streams than anybody has, so that kernels need no memory for them.
    static let mostStreams = Int(NK_MOST_STREAMS)

    public let hiddenSize: Int
    private let streams: Int
    private let active: Int
    private let norm: any Norm
    private let router: Vector
    private let prediction: Vector
    private let correction: Vector
    private let tokenInput: TokenInput?

    /// Reads `{"hidden_size", "streams", "active"?, "norm", "router", "prediction", "correction", "token_input"?}`; each of the
    /// matrices is `{"weight"}`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        let hidden = try fields.integer("hidden_size", in: 1...Int(Int32.max))
        let streams = try fields.integer("streams", in: 1...Self.mostStreams)
        active = try fields.integer("active", in: 0...streams - 1, default: 0)
        guard let norm = try fields.norm("norm", weights), norm.size == hidden else {
            throw Failure(.corrupt, "\(fields.name).norm: expected a norm of \(hidden) elements")
        }
        self.norm = norm
        func matrix(_ key: String, _ rows: Int, _ columns: Int) throws(Failure) -> Vector {
            try Vector(weights.values(fields.object(key).string("weight"), shape: [rows, columns]))
        }
        router = try matrix("router", streams, hidden)
        prediction = try matrix("prediction", streams * streams, streams)
        correction = try matrix("correction", streams, streams)
        (hiddenSize, self.streams) = (hidden, streams)
        tokenInput = try fields.optionalObject("token_input").map { node throws(Failure) in
            try TokenInput(node, hiddenSize: hidden, weights)
        }
    }

    public var streamSize: Int { streams * hiddenSize }
    public var parameters: Int {
        norm.parameters + router.count + prediction.count + correction.count + (tokenInput?.parameters ?? 0)
    }
    public var multiplyAddsPerToken: Int {
        2 * router.count + prediction.count + correction.count + (streams * streams + streams) * hiddenSize
            + (tokenInput?.multiplyAddsPerToken ?? 0)
    }

    public func beginFloats(rows: Int) -> Int {
        2 * Workspace.spreadFloats(rows, hiddenSize) + Workspace.floats(rows, streams * streams)
    }

    public func endFloats(rows: Int) -> Int { tokenInput?.workspaceFloats(rows: rows) ?? 0 }

    public func begin(_ stream: Matrix, _ context: ForwardContext) throws(Failure) -> Matrix {
        let rows = try context.workspace.takeSpread(stream.rows, hiddenSize)
        let mark = context.workspace.mark
        let coefficients = try route(stream.stream(active, size: hiddenSize), by: prediction, context)
        nk_mix_streams(
            stream.pointer, stream.stride, stream.rows, streams, hiddenSize, coefficients.pointer,
            Int32(context.threads))
        context.workspace.release(to: mark)
        rows.set(to: stream.stream(active, size: hiddenSize), threads: context.threads)
        return rows
    }

    public func end(_ rows: Matrix, _ stream: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let coefficients = try route(rows, by: correction, context)
        rows.add(stream.stream(active, size: hiddenSize), times: -1, threads: context.threads)
        nk_correct_streams(
            stream.pointer, stream.stride, stream.rows, streams, hiddenSize, coefficients.pointer, rows.pointer,
            rows.stride, Int32(context.threads))
        context.workspace.release(to: mark)
        guard let tokenInput else { return }
        // The change has been added: its memory is free.
        try tokenInput.apply(stream.stream(active, size: hiddenSize), into: rows, context)
        for index in 1..<max(1, streams) { stream.stream(index, size: hiddenSize).add(rows, threads: context.threads) }
        context.workspace.release(to: mark)
    }

    /// `M tanh(R norm(x) / hidden)` of each row `x`; the result stays taken.
    private func route(_ rows: Matrix, by matrix: Vector, _ context: ForwardContext) throws(Failure) -> Matrix {
        let result = try context.workspace.take(rows.rows, matrix.count / streams)
        let normalized = try context.workspace.takeSpread(rows.rows, hiddenSize)
        norm.apply(rows, into: normalized, threads: context.threads)
        nk_route_streams(
            normalized.pointer, normalized.stride, rows.rows, hiddenSize, router.pointer, streams, matrix.pointer,
            result.columns, result.pointer, Int32(context.threads))
        return result
    }
}
