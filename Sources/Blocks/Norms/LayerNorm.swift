public import NestlingBasics
import NestlingKernels
public import NestlingTensors

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias` over each row (Ba et al., arXiv 1607.06450); weight and bias
/// of shape `[size]`, each optional.
public struct LayerNorm: Norm {
    public let size: Int
    private let weight: Vector?
    private let bias: Vector?
    private let epsilon: Float

    /// Reads `{"size", "epsilon", "weight"?, "bias"?}`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        size = try fields.integer("size", in: 1...Int.max)
        epsilon = Float(try fields.number("epsilon"))
        weight = try fields.vector("weight", count: size, weights)
        bias = try fields.vector("bias", count: size, weights)
    }

    public var parameters: Int { (weight?.count ?? 0) + (bias?.count ?? 0) }

    public func apply(_ input: Matrix, into output: Matrix, threads: Int) {
        nk_layer_norm(
            input.pointer, input.stride, nil, 0, input.rows, size, weight?.pointer, bias?.pointer, epsilon,
            output.pointer, output.stride, Int32(threads))
    }
}
