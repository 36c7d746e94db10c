public import Basics
public import Tensors

/// One step of a block: `x = postNorm(x + operation(preNorm(x)))`, where either norm may be absent.
///
/// Pre-norm networks have only the first, post-norm networks (BERT) only the second. The operation adds into the stream,
/// so that its last product fuses the residual.
public struct Sublayer: Sendable {
    /// What a sublayer does.
    public enum Operation: Sendable {
        /// Tokens meet.
        case mixer(any Mixer)
        /// Each token alone.
        case channel(any Channel)
    }

    /// Normalizes the operation's input.
    public let preNorm: (any Norm)?
    /// Attention, MLP...
    public let operation: Operation
    /// Normalizes the sum.
    public let postNorm: (any Norm)?

    /// Reads `{"pre_norm"?, "mixer" or "channel", "post_norm"?}`, all over rows of `hiddenSize` elements.
    public init(_ fields: JSONFields, hiddenSize: Int, _ weights: any WeightSource) throws(Failure) {
        preNorm = try fields.norm("pre_norm", weights)
        postNorm = try fields.norm("post_norm", weights)
        let node: JSONFields
        if let mixer = try fields.optionalObject("mixer") {
            node = mixer
            operation = .mixer(try Registry.build(Registry.mixers, node, weights, kind: "mixer"))
        } else {
            node = try fields.object("channel")
            operation = .channel(try Registry.build(Registry.channels, node, weights, kind: "channel"))
        }
        for size in [try node.integer("hidden_size", in: 1...Int.max), preNorm?.size, postNorm?.size] {
            if let size, size != hiddenSize {
                throw Failure(
                    .corrupt, "\(fields.name): a part has rows of \(size) elements, the network of \(hiddenSize)")
            }
        }
    }

    private init(preNorm: (any Norm)?, operation: Operation, postNorm: (any Norm)?) {
        self.preNorm = preNorm
        self.operation = operation
        self.postNorm = postNorm
    }

    /// The same sublayer with the leading heads or neurons of its operation, sharing the weights.
    public func keeping(heads: Int, width: Int) -> Sublayer {
        let kept: Operation =
            switch operation {
            case .mixer(let mixer): .mixer(mixer.keeping(heads: heads))
            case .channel(let channel): .channel(channel.keeping(width: width))
            }
        return Sublayer(preNorm: preNorm, operation: kept, postNorm: postNorm)
    }

    /// Multiply-adds for each row, those of pairs that meet not counted.
    var multiplyAddsPerToken: Int {
        switch operation {
        case .mixer(let mixer): mixer.multiplyAddsPerToken
        case .channel(let channel): channel.multiplyAddsPerToken
        }
    }

    /// Learned numbers in use.
    public var parameters: Int {
        let own =
            switch operation {
            case .mixer(let mixer): mixer.parameters
            case .channel(let channel): channel.parameters
            }
        return own + (preNorm?.parameters ?? 0) + (postNorm?.parameters ?? 0)
    }

    /// Floats of workspace that ``apply(_:_:)`` takes for `rows` rows of `hidden` elements.
    public func workspaceFloats(rows: Int, hidden: Int) -> Int {
        let own =
            switch operation {
            case .mixer(let mixer): mixer.workspaceFloats(rows: rows)
            case .channel(let channel): channel.workspaceFloats(rows: rows)
            }
        return own + (preNorm == nil ? 0 : Workspace.floats(rows, hidden))
    }

    /// Runs the sublayer on `stream` `[rows, hidden]`, in place.
    public func apply(_ stream: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        var input = stream
        if let preNorm {
            input = try context.workspace.take(stream.rows, stream.columns)
            preNorm.apply(stream, into: input, threads: context.threads)
        }
        switch operation {
        case .mixer(let mixer): try mixer.apply(input, addingTo: stream, context)
        case .channel(let channel): try channel.apply(input, addingTo: stream, context)
        }
        postNorm?.apply(stream, into: stream, threads: context.threads)
        context.workspace.release(to: mark)
    }
}
