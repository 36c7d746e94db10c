public import NestlingKernels

/// The elementwise functions that checkpoints name.
public enum Activation: String, Sendable, CaseIterable {
    /// `x`
    case identity
    /// `max(x, 0)`
    case relu
    /// `x/2 (1 + erf(x / sqrt 2))` (Hendrycks and Gimpel, arXiv 1606.08415)
    case gelu
    /// The tanh approximation of GELU.
    case geluTanh = "gelu_tanh"
    /// `x sigmoid(x)` (arXiv 1702.03118)
    case silu
    /// Hyperbolic tangent.
    case tanh
    /// `1 / (1 + exp(-x))`
    case sigmoid
    /// `max(x, 0)^2` (Primer, arXiv 2109.08668)
    case reluSquared = "relu_squared"
    /// `x sigmoid(1.702 x)`
    case quickGELU = "quick_gelu"

    /// The activation that a `config.json` calls `name`, or `nil`.
    public init?(huggingFace name: String) {
        switch name {
        case "linear", "identity": self = .identity
        case "relu": self = .relu
        case "gelu", "gelu_python": self = .gelu
        case "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_accurate", "gelu_python_tanh": self = .geluTanh
        case "silu", "swish": self = .silu
        case "tanh": self = .tanh
        case "sigmoid": self = .sigmoid
        case "relu2": self = .reluSquared
        case "quick_gelu": self = .quickGELU
        default: return nil
        }
    }

    /// The same function, as the kernels name it, to within 2^-12 of its value where there is a cheaper form: for products of
    /// rounded numbers, which are no better.
    var roughKernel: nk_activation {
        switch self {
        case .gelu: NK_ROUGH_GELU
        case .geluTanh: NK_ROUGH_GELU_TANH
        case .silu: NK_ROUGH_SILU
        case .quickGELU: NK_ROUGH_QUICK_GELU
        default: kernel
        }
    }

    /// The same function, as the kernels name it.
    public var kernel: nk_activation {
        switch self {
        case .identity: NK_IDENTITY
        case .relu: NK_RELU
        case .gelu: NK_GELU
        case .geluTanh: NK_GELU_TANH
        case .silu: NK_SILU
        case .tanh: NK_TANH
        case .sigmoid: NK_SIGMOID
        case .reluSquared: NK_RELU_SQUARED
        case .quickGELU: NK_QUICK_GELU
        }
    }
}
