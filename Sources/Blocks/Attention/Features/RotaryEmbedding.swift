public import Basics
import Glibc
import Kernels
public import Tensors

/// Rotary position embedding (RoPE; Su et al., arXiv 2104.09864): pair `j` of each head is rotated by the angle
/// `position * theta^(-2j / size)`, where `size` leading elements of a head take part.
public struct RotaryEmbedding: Feature {
    private let inverseFrequencies: [Float]
    public let size: Int
    private let interleaved: Bool

    /// Reads `{"theta", "size", "interleaved"?}`. `interleaved` pairs `(2j, 2j + 1)`; otherwise `(j, j + size / 2)`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        let theta = try fields.number("theta")
        size = try fields.integer("size", in: 2...65536)
        guard size % 2 == 0, theta > 0, theta.isFinite else {
            throw Failure(
                .corrupt, "\(fields.name): needs an even size and a positive theta, found \(size) and \(theta)")
        }
        interleaved = try fields.bool("interleaved", default: false)
        // In float32, as the models were trained: 1 / theta^(2j / size).
        inverseFrequencies = (0..<size / 2).map { [size] in
            1 / powf(Float(theta), Float(2 * $0) / Float(size))
        }
    }

    public func apply(_ values: Matrix, heads: Int, headSize: Int, _ context: ForwardContext) {
        nk_rope(
            values.pointer, values.stride, values.rows, heads, headSize, size, inverseFrequencies, 1,
            interleaved ? 1 : 0, context.positions, Int32(context.threads))
    }
}
