public import NestlingBasics
public import NestlingTensors

/// The part of a block that sees each token alone.
public protocol Channel: Sendable {
    /// Hidden neurons in use: the width that nests.
    var width: Int { get }
    /// Learned numbers in use.
    var parameters: Int { get }
    /// Multiply-adds for each token.
    var multiplyAddsPerToken: Int { get }

    /// The leading `width` neurons (at most what is in use), sharing the weights.
    func keeping(width: Int) -> any Channel
    /// Floats of workspace that ``apply(_:addingTo:_:)`` takes for `rows` rows.
    func workspaceFloats(rows: Int) -> Int
    /// `stream += self(input)`, both `[rows, hidden]`; `input` may be the same memory as `stream`.
    func apply(_ input: Matrix, addingTo stream: Matrix, _ context: ForwardContext) throws(Failure)
}
