public import Basics

/// A list of sublayers. Two make a transformer encoder layer; with cross-attention there are three. The last block of a stage
/// ends with a downsampling.
public struct Block: Sendable {
    /// In the order in which they run.
    public let sublayers: [Sublayer]
    /// What follows them; `nil`: nothing, the stage goes on.
    public let downsampling: (any Downsampling)?
    /// Elements of a row before the block.
    public let hiddenSize: Int

    /// Reads `{"sublayers": [...], "downsampling"?}`, all over rows of `hiddenSize` elements.
    public init(_ fields: JSONFields, hiddenSize: Int, _ weights: any WeightSource) throws(Failure) {
        var sublayers: [Sublayer] = []
        for node in try fields.optionalObjects("sublayers") ?? [] {
            sublayers.append(try Sublayer(node, hiddenSize: hiddenSize, weights))
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
        downsampling = whole.downsampling
        hiddenSize = whole.hiddenSize
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

    /// Width of the first channel; 0 without one.
    public var width: Int {
        sublayers.lazy.compactMap(\.channel).first?.width ?? 0
    }

    /// Learned numbers in use.
    public var parameters: Int { sublayers.reduce(downsampling?.parameters ?? 0) { $0 + $1.parameters } }

    /// What the block computes: sublayers after the first mixer that gives ``LayerSignals`` see what a reducer has left.
    public var outline: NetworkOutline.Layer {
        var layer = NetworkOutline.Layer()
        for sublayer in sublayers {
            switch sublayer.operation {
            case .channel(let channel) where layer.keySize == 0: layer.before += Double(channel.multiplyAddsPerToken)
            case .channel(let channel): layer.after += Double(channel.multiplyAddsPerToken)
            case .mixer(let mixer):
                layer.before += Double(sublayer.multiplyAddsPerToken)
                layer.pair += Double(mixer.multiplyAddsPerPair)
                layer.radius = mixer.radius
                layer.isCausal = mixer.isCausal
                layer.windows = mixer.windows
                layer.keySize = max(layer.keySize, mixer.metricSize ?? 0)
            }
        }
        layer.downsampling = downsampling
        return layer
    }
}
