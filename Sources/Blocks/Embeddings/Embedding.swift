public import NestlingBasics
public import NestlingImages
public import NestlingTensors

/// What makes the first rows of the stream, of tokens or of images.
public protocol Embedding: Sendable {
    /// Elements of the rows that this gives.
    var hiddenSize: Int { get }
    /// Learned numbers.
    var parameters: Int { get }
    /// Multiply-adds for each token.
    var multiplyAddsPerToken: Int { get }
    /// Token ids are `0 ..< vocabularySize`; 0 where no token ids are taken.
    var vocabularySize: Int { get }
    /// Type ids are `0 ..< tokenTypes`; 0 where the model knows none.
    var tokenTypes: Int { get }
    /// The longest sequence that has positions; `nil`: any.
    var maximumTokens: Int? { get }
    /// The images that the model was made for; `nil` where no images are taken.
    var image: ImageFormat? { get }

    /// Floats of workspace that ``apply(_:into:_:)`` takes for `rows` rows.
    func workspaceFloats(rows: Int) -> Int
    /// Writes the first hidden states of `input`, which has been checked, to `stream`: the sequences of `context`.
    func apply(_ input: EmbeddingInput, into stream: Matrix, _ context: ForwardContext) throws(Failure)
}

/// What the sequences of a group are made from.
public enum EmbeddingInput {
    /// One id for each row, and one type id, or none: all 0.
    case tokens(ids: UnsafeBufferPointer<Int32>, types: UnsafeBufferPointer<Int32>)
    /// One image for each sequence.
    case images(ArraySlice<PreparedImage>)
}

/// The images that a model was made for, and how one becomes a sequence: rows that stand for no part of it, then its patches,
/// row by row.
public struct ImageFormat: Sendable, Equatable {
    /// Planes.
    public let channels: Int
    /// Rows of pixels in training.
    public let height: Int
    /// Pixels of a row in training.
    public let width: Int
    /// Rows of pixels of a patch.
    public let patchHeight: Int
    /// Pixels of a row of a patch.
    public let patchWidth: Int
    /// Rows of a sequence before those of patches: class, distillation, registers.
    public let prefixTokens: Int
    /// Whether zeros fill up what is left at the lower and right edges, less than a patch; else it is not read.
    public var fillsEdges = false

    /// Patches above each other and side by side in an image of `height` x `width` pixels.
    public func grid(height: Int, width: Int) -> PatchGrid {
        func count(_ length: Int, _ patch: Int) -> Int {
            length / patch + (fillsEdges && !length.isMultiple(of: patch) ? 1 : 0)
        }
        return PatchGrid(rows: count(height, patchHeight), columns: count(width, patchWidth))
    }

    /// Tokens of an image.
    /// - Throws: `.invalidArgument`, with `name` for the image, if it has other channels, or no room for a patch.
    public func tokens(channels: Int, height: Int, width: Int, name: String) throws(Failure) -> Int {
        guard channels == self.channels else {
            throw Failure(.invalidArgument, "\(name) has \(channels) channels, the model takes \(self.channels)")
        }
        let grid = grid(height: height, width: width)
        guard grid.rows > 0, grid.columns > 0 else {
            throw Failure(
                .invalidArgument,
                "\(name) of \(width) x \(height) pixels is smaller than a patch of \(patchWidth) x \(patchHeight)")
        }
        return try grid.rows.multiplied(by: grid.columns, name).added(to: prefixTokens, name)
    }
}
