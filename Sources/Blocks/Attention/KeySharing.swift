public import NestlingTensors

/// Keys and values that a layer makes for later ones too, which have none of their own (Gemma 3n; Sun et al., arXiv 2405.05254).
/// What is shared has a name.
public enum KeySharing: Sendable, Equatable {
    /// The layer makes them.
    case gives(String)
    /// The layer takes those of the last layer before it that gives them.
    case takes(String)
}

/// Keys and values `[rows, heads * headSize]` of the tokens that run.
public struct SharedKeys {
    let keys: Matrix
    let values: Matrix

    /// Room for them.
    public init(keys: Matrix, values: Matrix) {
        self.keys = keys
        self.values = values
    }
}
