public import NestlingBasics
import Glibc
public import NestlingKernels
import NestlingTensors

/// Attention with linear biases (Press et al., arXiv 2108.12409), symmetric for encoders: the score of a pair falls by
/// `slope * |i - j|`. Head `h` of `n = 2^k` has slope `2^(-8 (h + 1) / n)`; other counts take the slopes of the next
/// lower power of two, then every other one of the next higher.
public struct ALiBi: Support {
    private let slopes: Vector

    /// Reads `{"heads"}`: the heads that the model was trained with, of which a submodel may use the first.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        slopes = try Vector(ALiBi.slopes(heads: try fields.integer("heads", in: 1...65536)))
    }

    static func slopes(heads: Int) -> [Float] {
        var power = 1
        while power * 2 <= heads { power *= 2 }
        func geometric(_ count: Int) -> [Float] {
            (1...count).map { Float(exp2(-8 * Double($0) / Double(count))) }
        }
        var slopes = geometric(power)
        let finer = geometric(2 * power)
        for index in stride(from: 0, to: 2 * power, by: 2) where slopes.count < heads { slopes.append(finer[index]) }
        return slopes
    }

    public var heads: Int? { slopes.count }

    public func describe(_ arguments: inout nk_attention_f32_arguments) { arguments.alibi_slopes = slopes.pointer }
}
