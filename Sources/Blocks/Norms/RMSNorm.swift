public import NestlingBasics
import NestlingKernels
public import NestlingTensors

/// `x / sqrt(mean(x^2) + epsilon) * (weight + offset)` over each row (Zhang and Sennrich, arXiv 1910.07467); weight of
/// shape `[size]`. Gemma's checkpoints store the weight less 1: offset 1.
public struct RMSNorm: Norm {
    public let size: Int
    private let weight: Vector?
    private let offset: Float
    private let epsilon: Float

    /// Reads `{"size", "epsilon", "weight"?, "offset"?}`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        size = try fields.integer("size", in: 1...Int.max)
        epsilon = Float(try fields.number("epsilon"))
        offset = Float(try fields.number("offset", default: 0))
        weight = try fields.vector("weight", count: size, weights)
    }

    public var parameters: Int { weight?.count ?? 0 }

    public func apply(_ input: Matrix, into output: Matrix, threads: Int) {
        nk_rms_norm(
            input.pointer, input.stride, input.rows, size, weight?.pointer, offset, epsilon, output.pointer,
            output.stride, Int32(threads))
    }
}
