public import NestlingBasics
public import NestlingKernels

/// Local attention: tokens meet whose positions differ by at most `radius` (Longformer, arXiv 2004.05150).
public struct WindowSupport: Support {
    private let positions: Int32

    /// Reads `{"radius"}`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        positions = Int32(try fields.integer("radius", in: 0...Int(Int32.max)))
    }

    public var heads: Int? { nil }
    public var radius: Int? { Int(positions) }

    public func describe(_ arguments: inout nk_attention_f32_arguments) { arguments.window = positions }
}
