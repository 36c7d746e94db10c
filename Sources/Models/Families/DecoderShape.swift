import Basics

/// Decoders of Llama's form: pre-norm blocks with RMSNorms, rotary positions, queries that share keys in groups, gated MLPs. What
/// a family does otherwise it says by changing what is here.
struct DecoderShape {
    let hidden: Int
    let layers: Int
    let heads: Int
    let keyHeads: Int
    let headSize: Int
    let width: Int
    let activation: String
    let epsilon: Double
    let vocabulary: Int
    /// Whether the products that make queries, keys and values have biases, the one after attention, and those of the MLP.
    var projectionBias = false
    var outputBias = false
    var mlpBias = false
    /// Whether queries and keys are normalized, each head for itself.
    var hasHeadNorms = false
    /// Which layers see a window.
    var layerTypes: LayerTypes
    /// The rotary feature of each layer.
    var rotary: [JSON]
    /// Whether tokens see only those before them.
    let isCausal: Bool
    private let config: JSONFields

    /// What a config means that leaves keys out.
    struct Defaults {
        var hidden = 4096
        var layers = 32
        var heads = 32
        var keyHeads: Int?
        var headSize: Int?
        var width: Int
        var activation = "silu"
        var vocabulary: Int
    }

    init(_ config: JSONFields, _ defaults: Defaults) throws(Failure) {
        self.config = config
        for key in ["quantization_config"] where config.contains(key) {
            throw config.failure(key, "is not supported: weights must be stored in floating point")
        }
        hidden = try config.size("hidden_size", default: defaults.hidden)
        layers = try config.integer("num_hidden_layers", in: 0...4096, default: defaults.layers)
        heads = try config.integer("num_attention_heads", in: 1...65536, default: defaults.heads)
        // null means as many as there are queries' heads.
        let isNull = config.object["num_key_value_heads"]?.isNull ?? (defaults.keyHeads == nil)
        keyHeads =
            isNull
            ? heads : try config.integer("num_key_value_heads", in: 1...65536, default: defaults.keyHeads ?? heads)
        guard heads.isMultiple(of: keyHeads) else {
            throw config.failure("num_key_value_heads", "\(keyHeads) do not divide \(heads) heads")
        }
        let ownSize = try config.optionalInteger("head_dim", in: 1...65536) ?? defaults.headSize
        if let ownSize {
            headSize = ownSize
        } else {
            headSize = hidden / (try config.heads("num_attention_heads", hidden: hidden, default: defaults.heads))
        }
        width = try config.size("intermediate_size", default: defaults.width)
        activation = try config.activationName("hidden_act", default: defaults.activation)
        epsilon = try config.number("rms_norm_eps", default: 1e-6)
        vocabulary = try config.size("vocab_size", default: defaults.vocabulary)
        isCausal = try config.bool("is_causal", default: true)
        layerTypes = LayerTypes(all: layers, window: nil)
        rotary = Array(repeating: try RotaryConfig(config).feature(headSize: headSize), count: layers)
    }

    /// The whole network of `family`, with the heads that the checkpoint has.
    func architecture(_ family: String, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("model.", probe: "embed_tokens.weight")
        var architecture = Architecture(
            family: family, hiddenSize: hidden,
            embedding: ["tokens": names.table("embed_tokens.weight", vocabulary, hidden)],
            blocks: (0..<layers).map { block($0, names) })
        architecture.finalNorm = names.rmsNorm("norm", hidden, epsilon)
        try architecture.addCausalHeads(config, names, vocabulary: vocabulary)
        return architecture
    }

    private func block(_ index: Int, _ names: TensorNames) -> Architecture.Block {
        let layer = "layers.\(index)."
        let node = Nodes.preNormBlock(
            norm: names.rmsNorm(layer + "input_layernorm", hidden, epsilon), attention: attention(index, layer, names),
            channelNorm: names.rmsNorm(layer + "post_attention_layernorm", hidden, epsilon),
            channel: Nodes.glu(
                hidden: hidden, width: width, activation: activation,
                gate: names.linear(layer + "mlp.gate_proj", width, hidden, bias: mlpBias),
                up: names.linear(layer + "mlp.up_proj", width, hidden, bias: mlpBias),
                down: names.linear(layer + "mlp.down_proj", hidden, width, bias: mlpBias)))
        return Architecture.Block(prefix: names.prefix + layer, node: node)
    }

    private func attention(_ index: Int, _ layer: String, _ names: TensorNames) -> JSON {
        let stem = layer + "self_attn."
        func projection(_ name: String, _ heads: Int) -> JSON {
            names.linear("\(stem)\(name)_proj", heads * headSize, hidden, bias: projectionBias)
        }
        var features: [JSON] = []
        if hasHeadNorms {
            features.append([
                "type": "head_norm", "queries": names.rmsNorm(stem + "q_norm", headSize, epsilon),
                "keys": names.rmsNorm(stem + "k_norm", headSize, epsilon),
            ])
        }
        return Nodes.attention(
            hidden: hidden, heads: heads, keyHeads: keyHeads, headSize: headSize, query: projection("q", heads),
            key: projection("k", keyHeads), value: projection("v", keyHeads),
            output: names.linear(stem + "o_proj", hidden, heads * headSize, bias: outputBias),
            supports: Nodes.supports(isCausal: isCausal, window: layerTypes.window(index)),
            features: features + [rotary[index]])
    }
}

extension Nodes {
    /// The supports of a decoder's layer, whose tokens see `window` tokens, themselves included.
    static func supports(isCausal: Bool, window: Int?) -> [JSON] {
        let window = window.map { [["type": "window", "radius": .integer($0 - 1)] as JSON] } ?? []
        return (isCausal ? [["type": "causal"]] : []) + window
    }
}

extension Architecture {
    /// Adds the language model whose last layer is `lm_head`, or the token table, and the classifiers whose last layer is
    /// `score`: that of sequences over the last token, that of tokens with a bias.
    mutating func addCausalHeads(
        _ config: JSONFields, _ names: TensorNames, vocabulary: Int, table: String = "embed_tokens.weight",
        tied: Bool = false
    ) throws(Failure) {
        let classes = try config.strings("architectures", default: [])
        let isTied = try config.bool("tie_word_embeddings", default: tied)
        let hasOtherClass = !classes.isEmpty && !classes.contains { HeadKind(className: $0) == .causalLM }
        if names.has("lm_head.weight") || (isTied && !hasOtherClass) {
            let linear = names.decoder("lm_head", tied: table, vocabulary, hiddenSize, biases: [])
            heads[.causalLM] = Nodes.head("tokens", [Nodes.step(linear)])
        }
        guard names.has("score.weight") else { return }
        let labels = try config.labelCount()
        if names.has("score.bias") {
            heads[.tokenClassification] = Nodes.head(
                "tokens", [Nodes.step(names.headLinear("score", labels, hiddenSize))])
        } else {
            heads[.sequenceClassification] = Nodes.head(
                "last", [Nodes.step(names.headLinear("score", labels, hiddenSize, bias: false))])
        }
    }
}
