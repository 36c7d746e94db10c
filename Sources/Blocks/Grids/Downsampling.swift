public import NestlingBasics
public import NestlingTensors

/// What makes fewer and wider rows of an image's patches, at the end of a stage: blocks after it see another grid, and rows of
/// another size.
public protocol Downsampling: Sendable {
    /// Elements of a row before and after.
    var inputSize: Int { get }
    var outputSize: Int { get }
    /// Learned numbers.
    var parameters: Int { get }
    /// Multiply-adds for each row that it gives.
    var multiplyAddsPerToken: Int { get }

    /// What becomes of a grid, and of the patch at a place of it.
    func grid(after grid: PatchGrid) -> PatchGrid
    func place(after row: Int, _ column: Int) -> (row: Int, column: Int)
    /// What becomes of the sequences of a group; of unknown grids the most that can be.
    func extent(after extent: StreamExtent) -> StreamExtent
    /// Floats of workspace that ``apply(_:into:_:)`` takes.
    func workspaceFloats(_ extent: StreamExtent) -> Int
    /// Writes the rows that become of `stream` to `output`, which may lie in the same memory; the context still describes
    /// `stream`.
    func apply(_ stream: Matrix, into output: Matrix, _ context: ForwardContext) throws(Failure)
}
