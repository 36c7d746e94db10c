/// What happens to a sequence's vector after pooling.
public enum VectorStep: Sendable, Equatable {
    /// A linear layer with an activation.
    case dense(Dense)
    /// Layer normalization over `dimension` features with epsilon 1e-5; the weights `norm.weight` and `norm.bias` are
    /// in `folder`.
    case layerNorm(folder: String, dimension: Int)
    /// Division by the Euclidean length, or by 1e-12 if that is less.
    case normalize

    /// A linear layer: `activation(linear(x))`, plus `x` or its projection if it is residual.
    ///
    /// The weights are the checkpoint in `folder`: `linear.weight [outputs, inputs]`, `linear.bias [outputs]` if it has
    /// one, and `residual.weight [outputs, inputs]` if it is residual and the sizes differ.
    public struct Dense: Sendable, Equatable {
        /// The folder of the weights, for ``Checkpoint/init(source:folder:)``.
        public var folder: String
        /// Features of the incoming vector.
        public var inputs: Int
        /// Features of the outgoing vector.
        public var outputs: Int
        /// Whether there is a bias.
        public var hasBias: Bool
        /// What follows the linear layer.
        public var activation: Activation
        /// Whether the input is added to the output.
        public var isResidual: Bool

        /// Describes a linear layer whose weights are in `folder`.
        public init(
            folder: String, inputs: Int, outputs: Int, hasBias: Bool, activation: Activation, isResidual: Bool
        ) {
            self.folder = folder
            self.inputs = inputs
            self.outputs = outputs
            self.hasBias = hasBias
            self.activation = activation
            self.isResidual = isResidual
        }
    }

    /// The functions that may follow a linear layer. Raw values are the last parts of the Python classes' names.
    public enum Activation: String, Sendable, CaseIterable {
        /// Nothing.
        case identity = "Identity"
        /// The hyperbolic tangent.
        case tanh = "Tanh"
        /// max(x, 0).
        case relu = "ReLU"
        /// x times the normal distribution function of x, exact (with erf).
        case gelu = "GELU"
        /// 1 / (1 + exp(-x)).
        case sigmoid = "Sigmoid"
        /// x times its sigmoid.
        case silu = "SiLU"
    }
}
