public import Tensors

/// What happens to queries and keys before they meet?
public protocol Feature: Sendable {
    /// Elements of a head that this feature needs.
    var size: Int { get }
    /// Changes queries or keys `[rows, heads * headSize]` in place.
    func apply(_ values: Matrix, heads: Int, headSize: Int, _ context: ForwardContext)
}
