public import NestlingBasics
import NestlingKernels
public import NestlingTensors

/// Rotary position embedding (RoPE; Su et al., arXiv 2104.09864): pair `j` of each head is rotated by the angle
/// `position * theta^(-2j / size)`, where `size` leading elements of a head take part. Long contexts scale the frequencies
/// ``RotaryScaling``; some of them by the length of the sequence.
public struct RotaryEmbedding: Feature {
    private let theta: Double
    public let size: Int
    private let interleaved: Bool
    private let scaling: RotaryScaling
    /// Those of sequences of up to ``RotaryScaling/shortTokens`` tokens.
    private let inverseFrequencies: [Float]

    /// Reads `{"theta", "size", "interleaved"?, "scaling"?}`. `interleaved` pairs `(2j, 2j + 1)`; otherwise
    /// `(j, j + size / 2)`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        theta = try fields.number("theta")
        size = try fields.integer("size", in: 2...65536)
        guard size % 2 == 0, theta > 0, theta.isFinite else {
            throw Failure(
                .corrupt, "\(fields.name): needs an even size and a positive theta, found \(size) and \(theta)")
        }
        interleaved = try fields.bool("interleaved", default: false)
        scaling =
            try fields.optionalObject("scaling").map { [size] node throws(Failure) in
                try RotaryScaling(node, size: size)
            } ?? RotaryScaling()
        inverseFrequencies = scaling.inverseFrequencies(theta: theta, size: size, tokens: 1)
        // Those of long sequences are finite where these are.
        guard inverseFrequencies.allSatisfy(\.isFinite), scaling.magnitude.isFinite else {
            throw Failure(.corrupt, "\(fields.name): theta and scaling give frequencies that are not finite")
        }
    }

    public var shortTokens: Int? { scaling.shortTokens }

    public func apply(_ values: Matrix, as role: FeatureRole, heads: Int, headSize: Int, _ context: ForwardContext) {
        guard role != .values else { return }
        guard let short = scaling.shortTokens else {
            return rotate(values, from: 0, inverseFrequencies, heads: heads, headSize: headSize, context)
        }
        for sequence in 0..<context.sequences {
            let rows = context.offsets[sequence]..<context.offsets[sequence + 1]
            let original = context.originalOffsets[sequence + 1] - context.originalOffsets[sequence]
            let tokens =
                context.cached.isEmpty
                ? max(original, rows.last.map { Int(context.positions[$0]) + 1 } ?? 0)
                : context.cached[sequence].plannedTokens
            let frequencies =
                tokens <= short
                ? inverseFrequencies : scaling.inverseFrequencies(theta: theta, size: size, tokens: tokens)
            rotate(
                values.rows(rows), from: rows.lowerBound, frequencies, heads: heads, headSize: headSize, context)
        }
    }

    /// Rotates `values`, whose first row is row `first` of the stream.
    private func rotate(
        _ values: Matrix, from first: Int, _ frequencies: [Float], heads: Int, headSize: Int, _ context: ForwardContext
    ) {
        context.positions.withUnsafeBufferPointer { positions in
            guard let positions = positions.baseAddress else { return }
            nk_rope(
                values.pointer, values.stride, values.rows, heads, headSize, size, frequencies, scaling.magnitude,
                interleaved ? 1 : 0, positions + first, Int32(context.threads))
        }
    }
}
