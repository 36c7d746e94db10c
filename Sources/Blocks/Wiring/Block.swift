public import NestlingBasics
public import NestlingTensors

/// A list of sublayers. Two make a transformer encoder layer; with cross-attention there are three. The last block of a stage
/// ends with a downsampling. Where rows hold several streams, a wiring says how the sublayers, which see one, change all.
public struct Block: Sendable {
    /// In the order in which they run.
    public let sublayers: [Sublayer]
    /// How they change several streams; `nil`: there is one.
    public let wiring: (any Wiring)?
    /// What follows them; `nil`: nothing, the stage goes on.
    public let downsampling: (any Downsampling)?
    /// Elements of a row before the block.
    public let hiddenSize: Int

    /// Reads `{"sublayers": [...], "wiring"?, "downsampling"?}`, all over rows of `hiddenSize` elements; with a wiring the sublayers
    /// are over those of one stream.
    public init(_ fields: JSONFields, hiddenSize: Int, _ weights: any WeightSource) throws(Failure) {
        wiring = try fields.optionalObject("wiring").map { node throws(Failure) in
            try Registry.build(Registry.wirings, node, weights, kind: "wiring")
        }
        guard wiring == nil || wiring?.streamSize == hiddenSize else {
            throw Failure(
                .corrupt,
                "\(fields.name): wiring: is for rows of \(wiring?.streamSize ?? 0) elements, the network has \(hiddenSize)"
            )
        }
        var sublayers: [Sublayer] = []
        for node in try fields.optionalObjects("sublayers") ?? [] {
            sublayers.append(try Sublayer(node, hiddenSize: wiring?.hiddenSize ?? hiddenSize, weights))
        }
        self.sublayers = sublayers
        self.hiddenSize = hiddenSize
        guard let node = try fields.optionalObject("downsampling") else {
            downsampling = nil
            return
        }
        let downsampling = try Registry.build(Registry.downsamplings, node, weights, kind: "downsampling")
        guard downsampling.inputSize == hiddenSize else {
            throw Failure(
                .corrupt, "\(node.name): takes rows of \(downsampling.inputSize) elements, the stage has \(hiddenSize)")
        }
        self.downsampling = downsampling
    }

    private init(sublayers: [Sublayer], _ whole: Block) {
        self.sublayers = sublayers
        wiring = whole.wiring
        downsampling = whole.downsampling
        hiddenSize = whole.hiddenSize
    }

    /// Elements of the rows that the sublayers change.
    public var sublayerSize: Int { wiring?.hiddenSize ?? hiddenSize }

    /// Lets `body` run the sublayers: on `stream`, which may become shorter, or on one of its streams, by which the wiring then
    /// changes all. Gives what `stream` has become.
    public func run(
        _ stream: Matrix, _ context: ForwardContext, _ body: (Matrix) throws(Failure) -> Matrix
    ) throws(Failure) -> Matrix {
        guard let wiring else { return try body(stream) }
        let mark = context.workspace.mark
        let rows = try body(wiring.begin(stream, context))
        try wiring.end(rows, stream, context)
        context.workspace.release(to: mark)
        return stream
    }

    /// Floats of workspace that ``run(_:_:_:)`` takes; `sublayer` says how many a sublayer takes.
    public func workspaceFloats(_ rows: Int, _ sublayer: (Sublayer) -> Int) -> Int {
        let floats = sublayers.reduce(0) { max($0, sublayer($1)) }
        guard let wiring else { return floats }
        return wiring.beginFloats(rows: rows) + max(floats, wiring.endFloats(rows: rows))
    }

    /// Whether tokens can be merged or pruned in the block.
    public var isReducible: Bool { !needsGrid && wiring == nil && sharings.isEmpty }

    /// How its mixers share keys and values.
    public var sharings: [KeySharing] {
        sublayers.compactMap { sublayer in
            if case .mixer(let mixer) = sublayer.operation { mixer.sharing } else { nil }
        }
    }

    /// Elements of a row after the block.
    public var outputSize: Int { downsampling?.outputSize ?? hiddenSize }

    /// Whether the block is for the patches of images alone: rows of other sequences have no neighbours.
    public var needsGrid: Bool {
        downsampling != nil
            || sublayers.contains { sublayer in
                if case .mixer(let mixer) = sublayer.operation { mixer.windows != nil } else { false }
            }
    }

    /// The same block with the leading heads and neurons of each sublayer, sharing the weights.
    public func keeping(heads: Int, width: Int) -> Block {
        Block(sublayers: sublayers.map { $0.keeping(heads: heads, width: width) }, self)
    }

    /// Heads of the first mixer; 0 without one.
    public var heads: Int {
        for case .mixer(let mixer) in sublayers.lazy.map(\.operation) { return mixer.heads }
        return 0
    }

    /// Heads of the first mixer nest in multiples of this; 1 without one.
    public var headStep: Int {
        for case .mixer(let mixer) in sublayers.lazy.map(\.operation) { return mixer.headStep }
        return 1
    }

    /// Width of the first channel that nests; 0 without one.
    public var width: Int {
        sublayers.lazy.compactMap { $0.channel?.width }.first { $0 > 0 } ?? 0
    }

    /// Learned numbers in use.
    public var parameters: Int {
        sublayers.reduce((downsampling?.parameters ?? 0) + (wiring?.parameters ?? 0)) { $0 + $1.parameters }
    }

    /// What the block computes: sublayers after the first mixer that gives ``LayerSignals`` see what a reducer has left.
    public var outline: NetworkOutline.Layer {
        var layer = NetworkOutline.Layer()
        for sublayer in sublayers {
            switch sublayer.operation {
            case .channel(let channel) where layer.keySize == 0: layer.before += Double(channel.multiplyAddsPerToken)
            case .channel(let channel): layer.after += Double(channel.multiplyAddsPerToken)
            case .mixer(let mixer):
                if canKeepRows { layer.keys = layer.before + Double(mixer.keptMultiplyAddsPerToken) }
                layer.before += Double(sublayer.multiplyAddsPerToken)
                layer.pair += Double(mixer.multiplyAddsPerPair)
                layer.radius = mixer.radius
                layer.isCausal = mixer.isCausal
                layer.windows = mixer.windows
                layer.keySize = max(layer.keySize, mixer.metricSize ?? 0)
            }
        }
        layer.after += Double(wiring?.multiplyAddsPerToken ?? 0)
        layer.downsampling = downsampling
        return layer
    }
}
