public import NestlingBasics
public import NestlingTensors

/// How the sublayers of a block, which see rows of one stream, change rows in which several streams lie side by side.
public protocol Wiring: Sendable {
    /// Elements of a row of all streams.
    var streamSize: Int { get }
    /// Elements of the rows that the sublayers see.
    var hiddenSize: Int { get }
    /// Learned numbers.
    var parameters: Int { get }
    /// Multiply-adds for each token.
    var multiplyAddsPerToken: Int { get }

    /// Floats of workspace that ``begin(_:_:)`` takes and leaves taken, and that ``end(_:_:_:)`` takes besides.
    func beginFloats(rows: Int) -> Int
    func endFloats(rows: Int) -> Int
    /// Prepares the rows `stream` of all streams, and gives those that the sublayers are to change.
    func begin(_ stream: Matrix, _ context: ForwardContext) throws(Failure) -> Matrix
    /// Changes `stream` by what the sublayers have made of the rows that ``begin(_:_:)`` gave.
    func end(_ rows: Matrix, _ stream: Matrix, _ context: ForwardContext) throws(Failure)
}
