public import NestlingBasics
public import NestlingBlocks
public import NestlingCheckpoints

extension NetworkOutline {
    /// What the network that `architecture` describes computes, heads not counted. Needs no weights.
    public init(_ architecture: Architecture) throws(Failure) {
        let parts = try NetworkParts(architecture, UnloadedWeights())
        self.init(parts.blocks, embedding: parts.embedding, readout: parts.readout)
    }

    /// What `blocks` between `embedding` and `readout` compute.
    init(_ blocks: [Block], embedding: any Embedding, readout: (any Readout)?) {
        self.init(layers: blocks.map(\.outline))
        self.embedding = Double(embedding.multiplyAddsPerToken + (readout?.multiplyAddsPerToken ?? 0))
        if let image = embedding.image {
            prefixTokens = image.prefixTokens
            specialTokens = SpecialTokens(first: image.prefixTokens, last: 0)
            imageGrid = image.grid(height: image.height, width: image.width)
        }
        hiddenSize = embedding.hiddenSize
    }
}

extension Architecture {
    /// The network that the `config.json` or `nestling.json` of `source` describes. Weights need not be there; if they are,
    /// they say which heads there are.
    public init(describing source: any FileSource) throws(Failure) {
        if let written = try NestlingSettings(source).architecture {
            self = written
            return
        }
        guard let config = try source.fields("config.json") else {
            throw Failure(.notFound, "\(source.path): has no config.json")
        }
        let names = (try? Checkpoint(source: source).names) ?? []
        self = try Families.architecture(config, TensorNames(names))
    }
}
