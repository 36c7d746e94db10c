public import NestlingTensors

/// What happens to queries, keys and values before they meet?
public protocol Feature: Sendable {
    /// Elements of a head that this feature needs.
    var size: Int { get }
    /// Learned numbers.
    var parameters: Int { get }
    /// Sequences of up to so many tokens are treated alike, longer ones each by its length; `nil`: all are treated alike.
    var shortTokens: Int? { get }
    /// Changes queries, keys or values `[rows, heads * headSize]` in place.
    func apply(_ values: Matrix, as role: FeatureRole, heads: Int, headSize: Int, _ context: ForwardContext)
}

/// Which of them a feature is given.
public enum FeatureRole: Sendable {
    case queries
    case keys
    case values
}

extension Feature {
    public var parameters: Int { 0 }
    public var shortTokens: Int? { nil }
}
