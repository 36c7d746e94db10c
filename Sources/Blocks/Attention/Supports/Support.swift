public import NestlingKernels

/// Which pairs meet, with what bias? Supports add up: each writes its part of the kernel's description.
///
/// Without any support all pairs of a sequence meet, without bias.
public protocol Support: Sendable {
    /// Heads that this support knows; `nil`: it treats all alike.
    var heads: Int? { get }
    /// Tokens whose positions differ by more do not meet; `nil`: all do.
    var radius: Int? { get }
    /// Whether tokens meet only those before them and themselves.
    var isCausal: Bool { get }
    /// The sides of the windows that this support is for; `nil`: it looks at positions in any order.
    var windowSize: Int? { get }
    /// Writes this support's part into `arguments`; what it points to lives as long as this support.
    func describe(_ arguments: inout nk_attention_f32_arguments)
}

extension Support {
    public var radius: Int? { nil }
    public var isCausal: Bool { false }
    public var windowSize: Int? { nil }
}
