public import NestlingBasics
public import NestlingTensors

/// What makes hidden states of rows in which several streams lie side by side, after the last block.
public protocol Readout: Sendable {
    /// Elements of a row of all streams, and of a hidden state.
    var streamSize: Int { get }
    var hiddenSize: Int { get }
    /// Learned numbers.
    var parameters: Int { get }
    /// Multiply-adds for each token.
    var multiplyAddsPerToken: Int { get }

    /// Floats of workspace that ``apply(_:into:_:)`` takes.
    func workspaceFloats(rows: Int) -> Int
    /// Writes the hidden states of the rows `stream` to `output`.
    func apply(_ stream: Matrix, into output: Matrix, _ context: ForwardContext) throws(Failure)
}
