public import NestlingBasics
public import NestlingTensors

/// Where the parts of a network get their weights while it is built. `JSON` nodes are those of the architecture.
///
/// One source packs them from a checkpoint, another only checks that they are there and have the right shape.
public protocol WeightSource {
    /// A linear layer: `{"weight": name, "shape": [rows, columns], "rows": [start, count]?, "columns": count?, "bias": name?}`.
    /// `rows` takes a part of a fused tensor; `columns` a prefix. `path` says where in the architecture the node stands.
    func linear(_ node: JSON?, path: String) throws(Failure) -> any Linear
    /// A vector of `count` elements.
    func vector(_ name: String, count: Int) throws(Failure) -> Vector
    /// A table: `{"weight": name, "shape": [rows, columns]}`.
    func table(_ node: JSON?, path: String) throws(Failure) -> EmbeddingTable
    /// A large table of which few rows are ever read: it stays where it lies, in the type in which it lies there.
    func mappedTable(_ node: JSON?, path: String) throws(Failure) -> EmbeddingTable
    /// The elements of a small tensor of `shape`, in float32, row-major.
    func values(_ name: String, shape: [Int]) throws(Failure) -> [Float]
}
