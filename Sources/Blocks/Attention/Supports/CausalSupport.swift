public import NestlingBasics
public import NestlingKernels

/// Tokens meet those before them and themselves.
public struct CausalSupport: Support {
    /// Reads `{}`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {}

    public var heads: Int? { nil }
    public var isCausal: Bool { true }

    public func describe(_ arguments: inout nk_attention_f32_arguments) { arguments.causal = 1 }
}
