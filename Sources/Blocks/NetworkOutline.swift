/// What a network computes, layer by layer, in multiply-adds: for schedules by work, and for saying whether a reduction pays.
///
/// Counted are linear layers and the two products of attention for every pair of tokens that meet. Not counted are norms,
/// activations, softmax, rows of embedding tables, pooling and reducing.
public struct NetworkOutline: Sendable {
    /// One layer.
    public struct Layer: Sendable {
        /// For each token, up to where the layer may lose tokens, and after.
        public var before = 0.0
        public var after = 0.0
        /// Of that, what makes the keys and values that all tokens need, although only some go on; `nil`: all must go on.
        public var keys: Double?
        /// For each pair that meets.
        public var pair = 0.0
        /// Tokens that are farther apart do not meet; `nil`: all do.
        public var radius: Int?
        /// Tokens meet only those before them and themselves.
        public var isCausal = false
        /// Patches of an image meet in windows; `nil`: all tokens do, but for ``radius`` and ``isCausal``.
        public var windows: ImageWindows?
        /// What leaves fewer patches after the layer; `nil`: nothing.
        public var downsampling: (any Downsampling)?
        /// Elements of a key, mean over heads; 0: no attention that reducers could ask.
        public var keySize = 0

        public init() {}

        /// Pairs of `tokens` tokens at most ``radius`` apart, each with itself included.
        func pairs(_ tokens: Int, _ pooling: KeyPooling? = nil) -> Double {
            let count = Double(tokens)
            if let pooling, radius == nil, !isCausal, tokens > pooling.exactTokens {
                return count * Double(pooling.groups)
            }
            var pairs = count * count
            if let radius, radius < tokens {
                pairs = count * (2 * Double(radius) + 1) - Double(radius) * (Double(radius) + 1)
            }
            return isCausal ? (pairs + count) / 2 : pairs
        }

        /// Multiply-adds of the last layer for `read` of `tokens` tokens, at an end of the sequence from where all are in sight that
        /// ``radius`` allows; `nil`: it runs for all.
        func multiplyAdds(reading read: SpecialTokens, of tokens: Int) -> Double? {
            guard let keys, !read.between(tokens).isEmpty else { return nil }
            let met = min(tokens, (radius ?? tokens) + 1)
            let own = before - keys + after + pair * Double(met)
            return keys * Double(tokens) + Double(read.first + read.last) * own
        }
    }

    /// In the order in which they run.
    public var layers: [Layer]
    /// For each token of the sequence, before the first layer; not for the first ``prefixTokens``, which are learned rows.
    public var embedding = 0.0
    public var prefixTokens = 0
    /// Patches of an image of the configured size; `nil`: the network sees no images.
    public var imageGrid: PatchGrid?
    /// For the vector of the sequence.
    public var vector = 0.0
    /// Tokens at the ends of the sequence of which its vector is made: the last layer spares the others what does not reach it.
    /// `nil`: all.
    public var tokensRead: SpecialTokens?
    /// Tokens at the ends of a sequence that stand for no part of it.
    public var specialTokens = SpecialTokens.ofTexts
    /// How attention of long sequences is approximated; `nil`: not at all.
    public var keyPooling: KeyPooling?
    /// Elements of a hidden state.
    public var hiddenSize = 0

    public init(layers: [Layer]) { self.layers = layers }

    /// Tokens of an image of the configured size; `nil`: the network sees no images.
    public var imageTokens: Int? { imageGrid.map { prefixTokens + $0.count } }

    /// Whether the work depends on the grid of patches, and not on their number alone; then it is counted for images of the
    /// configured size.
    public var dependsOnGrid: Bool { layers.contains { $0.windows != nil || $0.downsampling != nil } }

    /// Layers that all cost the same for each token, and nothing for pairs: where nothing is known of the network.
    public init(layers: Int) {
        var layer = Layer()
        layer.after = 1
        self.init(layers: Array(repeating: layer, count: layers))
    }

    /// Multiply-adds for one sequence of `tokens` that `reducer` shortens, those of reducing not counted.
    public func multiplyAdds(tokens: Int, reducer: any Reducer) -> Double {
        var reduced = self
        reduced.keyPooling = reducer.keyPooling
        let remaining = reducer.remainingTokens(tokens, in: self)
        let count = remaining.dropLast().last ?? tokens
        if let read = tokensRead, remaining.last ?? tokens < count,
            !reducer.leaves(read.tokens(of: count), of: count, specialTokens)
        {
            reduced.tokensRead = nil
        }
        return reduced.multiplyAdds(tokens: tokens, remaining: remaining)
    }

    /// Multiply-adds for one sequence of `tokens`, of which `remaining[l]` are left after layer `l`; `nil`: all.
    public func multiplyAdds(tokens: Int, remaining: [Int]? = nil) -> Double {
        if dependsOnGrid, let imageGrid { return multiplyAdds(grid: imageGrid) }
        var count = tokens
        return multiplyAdds(
            tokens: tokens,
            layers: layers.indices.map { index in
                let attention = count
                count = remaining?[index] ?? count
                return (attention, count)
            })
    }

    /// Multiply-adds for one image of `grid` patches.
    public func multiplyAdds(grid: PatchGrid) -> Double {
        var sum = embedding * Double(grid.count) + vector
        var grid = grid
        for layer in layers {
            sum += (layer.before + layer.after) * Double(grid.count)
            sum += layer.pair * (layer.windows?.pairs(in: grid) ?? layer.pairs(grid.count))
            guard let downsampling = layer.downsampling else { continue }
            grid = downsampling.grid(after: grid)
            sum += Double(downsampling.multiplyAddsPerToken) * Double(grid.count)
        }
        return sum
    }

    /// Tokens of one image of the configured size after each layer; `nil`: the network sees no images.
    public var imageTokensByLayer: [Int]? {
        guard var grid = imageGrid else { return nil }
        return layers.map { layer in
            grid = layer.downsampling?.grid(after: grid) ?? grid
            return prefixTokens + grid.count
        }
    }

    /// Multiply-adds for one sequence of `tokens`, of which the attention of each layer sees so many, and its FFN.
    public func multiplyAdds(tokens: Int, layers counts: [(attention: Int, channel: Int)]) -> Double {
        var sum = embedding * Double(max(0, tokens - prefixTokens)) + vector
        for (index, (layer, count)) in zip(layers, counts).enumerated() {
            if index == layers.count - 1, keyPooling == nil, let tokensRead,
                let work = layer.multiplyAdds(reading: tokensRead, of: count.attention)
            {
                sum += work
                continue
            }
            sum += layer.before * Double(count.attention) + layer.pair * layer.pairs(count.attention, keyPooling)
            sum += layer.after * Double(count.channel)
        }
        return sum
    }
}
