import Nestling

/// How many floating-point operations a model needs for a sequence, from its architecture.
///
/// Counted are the linear layers, `2 * outputs * inputs` for each token that passes through (a multiplication and an
/// addition), and attention, `4 * head size` for each head and each pair of tokens that see each other (scores and weighted
/// sum): `4 * tokens^2 * heads * head size` where all do. Not counted are norms, activations, softmax, embedding rows,
/// pooling, and the choice of tokens to merge.
struct OperationCount {
    private let layers: [Layer]
    private let outline: NetworkOutline
    private let embedding: Double
    /// Tokens that are given, and not made by the embedding.
    private let prefixTokens: Int
    private let vector: Double

    private struct Layer {
        /// Operations for each token before tokens are merged, and after.
        var linear = (before: 0.0, after: 0.0)
        /// Operations for each pair that meets.
        var pair = 0.0
        /// Tokens that are farther apart do not meet.
        var radius: Int?
        /// Tokens meet only those before them.
        var isCausal = false
    }

    /// The count for `model`.
    init(_ model: Model) throws(Failure) {
        let kept = model.network.kept
        let blocks = model.network.weights.architecture.blocks
        var layers: [Layer] = []
        for (index, block) in kept.layers.enumerated() {
            layers.append(
                try OperationCount.layer(blocks[block].node, heads: kept.heads[index], width: kept.widths[index]))
        }
        self.layers = layers
        outline = model.network.outline
        let architecture = model.network.weights.architecture
        embedding =
            try OperationCount.linear(architecture.embedding["projection"])
            + OperationCount.linear(architecture.embedding["patches"])
        prefixTokens = model.image?.prefixTokens ?? 0
        var pooler = 0.0
        for step in model.sentence.hasModules ? [] : architecture.pooler["steps"]?.array ?? [] {
            pooler += try OperationCount.linear(step["linear"])
        }
        vector = model.sentence.steps.reduce(pooler) { sum, step in
            guard case .dense(let dense) = step else { return sum }
            let projection = dense.isResidual && dense.inputs != dense.outputs ? 2.0 : 1.0
            return sum + 2 * projection * Double(dense.inputs) * Double(dense.outputs)
        }
    }

    /// Operations for one sequence of `tokens`, shortened by `reducer`.
    func operations(tokens: Int, reducer: (any Reducer)? = nil) -> Double {
        let remaining = reducer?.remainingTokens(tokens, in: outline)
        var count = tokens
        var sum = embedding * Double(tokens - prefixTokens) + vector
        for (index, layer) in layers.enumerated() {
            let pairs = OperationCount.pairs(count, radius: layer.radius)
            sum += layer.linear.before * Double(count)
            sum += layer.pair * (layer.isCausal ? (pairs + Double(count)) / 2 : pairs)
            count = remaining?[index] ?? count
            sum += layer.linear.after * Double(count)
        }
        return sum
    }

    /// Pairs of `tokens` tokens at most `radius` apart, each with itself included.
    static func pairs(_ tokens: Int, radius: Int?) -> Double {
        guard let radius, radius < tokens else { return Double(tokens) * Double(tokens) }
        return Double(tokens) * Double(2 * radius + 1) - Double(radius) * Double(radius + 1)
    }

    private static func layer(_ block: JSON, heads: Int, width: Int) throws(Failure) -> Layer {
        var layer = Layer()
        for sublayer in block["sublayers"]?.array ?? [] {
            if let mixer = sublayer["mixer"] {
                let size = mixer["head_size"]?.int ?? 0
                let all = mixer["heads"]?.int ?? heads
                let group = max(1, all / max(1, mixer["key_heads"]?.int ?? all))
                let own = min(heads, all)
                let keys = (own + group - 1) / group
                layer.linear.before += try linear(mixer["query"], outputs: own * size)
                layer.linear.before += try linear(mixer["key"], outputs: keys * size)
                layer.linear.before += try linear(mixer["value"], outputs: keys * size)
                layer.linear.before += try linear(mixer["output"], inputs: own * size)
                layer.pair += 4 * Double(own * size)
                for support in mixer["supports"]?.array ?? [] {
                    if support["type"]?.string == "causal" { layer.isCausal = true }
                    if let radius = support["radius"]?.int { layer.radius = min(radius, layer.radius ?? radius) }
                }
            } else if let channel = sublayer["channel"] {
                layer.linear.after += try linear(channel["gate"], outputs: width)
                layer.linear.after += try linear(channel["up"], outputs: width)
                layer.linear.after += try linear(channel["down"], inputs: width)
            }
        }
        return layer
    }

    /// Operations of a linear layer for one row, cut to `outputs` and `inputs`; 0 without one.
    private static func linear(_ node: JSON?, outputs: Int = .max, inputs: Int = .max) throws(Failure) -> Double {
        guard let node else { return 0 }
        let linear = try LinearNode(node, path: "architecture")
        return 2 * Double(min(outputs, linear.outputs)) * Double(min(inputs, linear.inputs))
    }
}
