public import Basics

/// A list of sublayers. Two make a transformer encoder layer; with cross-attention there are three.
public struct Block: Sendable {
    /// In the order in which they run.
    public let sublayers: [Sublayer]

    /// Reads `{"sublayers": [...]}`, all over rows of `hiddenSize` elements.
    public init(_ fields: JSONFields, hiddenSize: Int, _ weights: any WeightSource) throws(Failure) {
        var sublayers: [Sublayer] = []
        for node in try fields.optionalObjects("sublayers") ?? [] {
            sublayers.append(try Sublayer(node, hiddenSize: hiddenSize, weights))
        }
        self.sublayers = sublayers
    }

    private init(sublayers: [Sublayer]) { self.sublayers = sublayers }

    /// The same block with the leading heads and neurons of each sublayer, sharing the weights.
    public func keeping(heads: Int, width: Int) -> Block {
        Block(sublayers: sublayers.map { $0.keeping(heads: heads, width: width) })
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
    public var parameters: Int { sublayers.reduce(0) { $0 + $1.parameters } }

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
                layer.keySize = max(layer.keySize, mixer.metricSize ?? 0)
            }
        }
        return layer
    }
}
