public import NestlingBasics
public import NestlingTensors

/// The part of a block in which tokens meet.
public protocol Mixer: Sendable {
    /// Heads in use; mixers without heads have 1.
    var heads: Int { get }
    /// Heads nest in multiples of this: query heads that share a key head stay together.
    var headStep: Int { get }
    /// Learned numbers in use.
    var parameters: Int { get }
    /// Multiply-adds for each pair of tokens that meets.
    var multiplyAddsPerPair: Int { get }
    /// Multiply-adds for each token.
    var multiplyAddsPerToken: Int { get }
    /// Of these, what ``keep(_:_:)`` takes.
    var keptMultiplyAddsPerToken: Int { get }
    /// Tokens that are farther apart do not meet; `nil`: all do.
    var radius: Int? { get }
    /// Whether tokens meet only those before them and themselves.
    var isCausal: Bool { get }
    /// The windows of an image in which alone its patches meet; `nil`: rows need not be an image's.
    var windows: ImageWindows? { get }
    /// Elements of a row of the keys that reducers see; `nil`: this mixer gives no ``LayerSignals``.
    var metricSize: Int? { get }

    /// How keys and values are shared with mixers of other layers; `nil`: they are not.
    var sharing: KeySharing? { get }
    /// What of each token a cache keeps, so that later ones can meet it; `nil`: this mixer has no use for a cache. Keys and values
    /// of another layer are kept there.
    var cacheLayer: CacheLayout.Layer? { get }

    /// The leading `heads` (at most what is in use), sharing the weights.
    func keeping(heads: Int) -> any Mixer
    /// Keeps what tokens meet of the tokens `input` `[rows, hidden]`, of which ``apply(_:addingTo:_:)`` then runs some: in the cache,
    /// or without one in the context, in workspace that the caller releases.
    func keep(_ input: Matrix, _ context: ForwardContext) throws(Failure)
    /// Floats of workspace that ``keep(_:_:)`` takes.
    func keptFloats(rows: Int) -> Int
    /// Floats of workspace that ``apply(_:addingTo:_:)`` takes.
    func workspaceFloats(_ extent: StreamExtent) -> Int
    /// `stream += self(input)`, both `[rows, hidden]`; `input` may be the same memory as `stream`.
    func apply(_ input: Matrix, addingTo stream: Matrix, _ context: ForwardContext) throws(Failure)
}
