public import NestlingBasics
public import NestlingTensors

/// One step of a block: `x = postNorm(scale (x + outputNorm(operation(preNorm(x)))))`, where any norm may be absent.
///
/// Pre-norm networks have only the first, post-norm networks (BERT) only the last; the one in the middle is Gemma 2's. The
/// operation adds into the stream, so that its last product fuses the residual; with an output norm it adds into zeros.
/// A sublayer may have a channel beside its mixer (``ParallelChannel``).
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
    /// Normalizes what the operation gives.
    public let outputNorm: (any Norm)?
    /// Normalizes the sum.
    public let postNorm: (any Norm)?
    /// The channel beside the mixer.
    private let parallel: ParallelChannel?
    /// Multiplies the sum.
    private let scale: Float

    /// Reads `{"pre_norm"?, "mixer" or "channel", "output_norm"?, "post_norm"?}`, all over rows of `hiddenSize` elements; or
    /// `{"pre_norm"?, "mixer", "channel", "channel_norm"?, "output_norm"?, "post_norm"?}`, where the output norm is the mixer's. All
    /// may have a `"sum_scale"`.
    public init(_ fields: JSONFields, hiddenSize: Int, _ weights: any WeightSource) throws(Failure) {
        preNorm = try fields.norm("pre_norm", weights)
        outputNorm = try fields.norm("output_norm", weights)
        postNorm = try fields.norm("post_norm", weights)
        scale = Float(try fields.number("sum_scale", default: 1))
        let node: JSONFields
        var parallel: ParallelChannel?
        if let mixer = try fields.optionalObject("mixer") {
            node = mixer
            operation = .mixer(try Registry.build(Registry.mixers, node, weights, kind: "mixer"))
            if fields.contains("channel") { parallel = try ParallelChannel(fields, weights) }
        } else {
            node = try fields.object("channel")
            operation = .channel(try Registry.build(Registry.channels, node, weights, kind: "channel"))
        }
        self.parallel = parallel
        guard parallel == nil || preNorm != nil || parallel?.norm != nil else {
            throw Failure(.unsupported, "\(fields.name): a mixer and a channel side by side need a norm before")
        }
        let beside = try parallel == nil ? nil : fields.object("channel").integer("hidden_size", in: 1...Int.max)
        let sizes = [
            try node.integer("hidden_size", in: 1...Int.max), beside, preNorm?.size, outputNorm?.size, postNorm?.size,
            parallel?.norm?.size,
        ]
        for size in sizes {
            if let size, size != hiddenSize {
                throw Failure(
                    .corrupt, "\(fields.name): a part has rows of \(size) elements, the network of \(hiddenSize)")
            }
        }
    }

    private init(_ whole: Sublayer, _ operation: Operation, _ parallel: ParallelChannel?) {
        preNorm = whole.preNorm
        self.operation = operation
        outputNorm = whole.outputNorm
        postNorm = whole.postNorm
        scale = whole.scale
        self.parallel = parallel
    }

    /// The same sublayer with the leading heads or neurons of its operation, sharing the weights.
    public func keeping(heads: Int, width: Int) -> Sublayer {
        let kept: Operation =
            switch operation {
            case .mixer(let mixer): .mixer(mixer.keeping(heads: heads))
            case .channel(let channel): .channel(channel.keeping(width: width))
            }
        return Sublayer(self, kept, parallel?.keeping(width: width))
    }

    /// The mixer, if tokens meet here.
    var mixer: (any Mixer)? {
        if case .mixer(let mixer) = operation { mixer } else { nil }
    }

    /// The channel, alone or beside the mixer.
    var channel: (any Channel)? {
        if case .channel(let channel) = operation { return channel }
        return parallel?.channel
    }

    /// Multiply-adds for each row, those of pairs that meet not counted.
    var multiplyAddsPerToken: Int {
        switch operation {
        case .mixer(let mixer): mixer.multiplyAddsPerToken + (parallel?.channel.multiplyAddsPerToken ?? 0)
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
        let norms = [preNorm, outputNorm, postNorm].reduce(0) { $0 + ($1?.parameters ?? 0) }
        return own + norms + (parallel?.parameters ?? 0)
    }

    /// Floats of workspace that ``apply(_:_:)`` takes for rows of `hidden` elements.
    public func workspaceFloats(_ extent: StreamExtent, hidden: Int) -> Int {
        let own =
            switch operation {
            case .mixer(let mixer): mixer.workspaceFloats(extent)
            case .channel(let channel): channel.workspaceFloats(rows: extent.rows)
            }
        let rows = extent.rows
        let matrices = [preNorm, outputNorm].reduce(0) { $0 + ($1 == nil ? 0 : 1) }
        return own + matrices * Workspace.spreadFloats(rows, hidden)
            + (parallel?.workspaceFloats(rows: rows, hidden: hidden) ?? 0)
    }

    /// Keeps what tokens meet of `stream` `[rows, hidden]`, which stays as it is, in the cache, or in the workspace, which the caller
    /// releases.
    func keep(_ stream: Matrix, _ context: ForwardContext) throws(Failure) {
        try mixer?.keep(input(of: stream, context), context)
    }

    /// Floats of workspace that ``keep(_:_:)`` takes.
    func keptFloats(rows: Int, hidden: Int) -> Int {
        (preNorm == nil ? 0 : Workspace.spreadFloats(rows, hidden)) + (mixer?.keptFloats(rows: rows) ?? 0)
    }

    /// What the operation reads of `stream`: in the workspace, or the stream itself.
    private func input(of stream: Matrix, _ context: ForwardContext) throws(Failure) -> Matrix {
        guard let preNorm else { return stream }
        let input = try context.workspace.takeSpread(stream.rows, stream.columns)
        preNorm.apply(stream, into: input, threads: context.threads)
        return input
    }

    /// Runs the sublayer on `stream` `[rows, hidden]`, in place.
    public func apply(_ stream: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let input = try input(of: stream, context)
        let parallelInput = try parallel?.input(stream, or: input, context)
        var sum = stream
        if outputNorm != nil {
            sum = try context.workspace.take(stream.rows, stream.columns)
            sum.pointer.update(repeating: 0, count: sum.rows * sum.stride)
        }
        switch operation {
        case .mixer(let mixer): try mixer.apply(input, addingTo: sum, context)
        case .channel(let channel): try channel.apply(input, addingTo: sum, context)
        }
        if let parallel, let parallelInput { try parallel.channel.apply(parallelInput, addingTo: stream, context) }
        if let outputNorm {
            outputNorm.apply(sum, into: sum, threads: context.threads)
            stream.add(sum, threads: context.threads)
        }
        if scale != 1 { stream.scale(by: scale, threads: context.threads) }
        postNorm?.apply(stream, into: stream, threads: context.threads)
        context.workspace.release(to: mark)
    }
}
