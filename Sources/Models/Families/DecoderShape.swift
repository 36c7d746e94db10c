import NestlingBasics

/// Decoders of Llama's form: pre-norm blocks with RMSNorms, rotary positions, queries that share keys in groups, gated MLPs. What
/// a family does otherwise it says by changing what is here.
struct DecoderShape {
    let hidden: Int
    let layers: Int
    let heads: Int
    let keyHeads: Int
    let headSize: Int
    /// FFN width of each layer.
    let widths: [Int]
    var activation: String
    let epsilon: Double
    let vocabulary: Int
    /// Whether the products that make queries, keys and values have biases, the one after attention, and those of the MLP.
    var projectionBias = false
    var outputBias = false
    var mlpBias = false
    /// Whether queries, keys and values are one tensor, and gate and up of the MLP.
    var isFused = false
    /// Whether queries and keys are normalized, each head for itself.
    var hasHeadNorms = false
    /// Whether values are, too, without weights.
    var hasValueNorms = false
    /// Whether what attention and MLP give is normalized before it is added.
    var hasOutputNorms = false
    /// Added to the weights of norms.
    var normOffset = 0.0
    /// Multiplies the rows of tokens.
    var embeddingScale: Double?
    /// Multiplies the products of queries and keys; `nil`: `1 / sqrt(headSize)`.
    var scale: Double?
    /// What scores of attention and of the language model are bounded by.
    var attentionSoftcap: Double?
    var logitSoftcap: Double?
    /// Whether the token table is the last layer of the language model, where a config does not say.
    var isTied = false
    /// Which layers see a window.
    var layerTypes: LayerTypes
    /// The rotary feature of each type of layers.
    var rotary: [String: JSON] = [:]
    /// Layers that give their keys and values to later ones, and those that take them, by the name of what they share.
    var givesKeys: [Int: String] = [:]
    var takesKeys: [Int: String] = [:]
    /// Share of the gates of each layer that become 0; empty: none.
    var sparsity: [Double] = []
    /// Whether tokens see only those before them.
    var isCausal: Bool
    let config: JSONFields

    /// What a config means that leaves keys out.
    struct Defaults {
        var hidden = 4096
        var layers = 32
        var heads = 32
        var keyHeads: Int?
        var headSize: Int?
        var width: Int
        var activation: (key: String, name: String) = ("hidden_act", "silu")
        var epsilon = 1e-6
        var vocabulary: Int
    }

    init(_ config: JSONFields, _ defaults: Defaults) throws(Failure) {
        self.config = config
        try config.refuseQuantization()
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
        widths = try config.widths("intermediate_size", layers: layers, default: defaults.width)
        activation = try config.activationName(defaults.activation.key, default: defaults.activation.name)
        epsilon = try config.number("rms_norm_eps", default: defaults.epsilon)
        vocabulary = try config.size("vocab_size", default: defaults.vocabulary)
        isCausal = try config.bool("is_causal", default: true)
        layerTypes = LayerTypes(all: layers, window: nil)
    }

    /// The whole network of `family`, with the heads that the checkpoint has.
    func architecture(_ family: String, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("model.", probe: "embed_tokens.weight")
        var architecture = Architecture(
            family: family, hiddenSize: hidden, embedding: embedding(names), blocks: try blocks(names))
        architecture.finalNorm = norm("norm", hidden, names)
        architecture.textTokens = try config.optionalInteger("max_position_embeddings", in: 1...Int(Int32.max))
        try architecture.addCausalHeads(
            config, names, vocabulary: vocabulary, isTied: isTied, softcap: logitSoftcap)
        return architecture
    }

    private func embedding(_ names: TensorNames) -> JSON {
        var node = JSONObject()
        node["tokens"] = names.table("embed_tokens.weight", vocabulary, hidden)
        if let embeddingScale { node["scale"] = .number(embeddingScale) }
        return .object(node)
    }

    private func blocks(_ names: TensorNames) throws(Failure) -> [Architecture.Block] {
        let shared = rotary.isEmpty ? try RotaryConfig(config).feature(headSize: headSize) : .null
        return (0..<layers).map { block($0, names, rotary[layerTypes.names[$0]] ?? shared) }
    }

    func norm(_ stem: String, _ size: Int, _ names: TensorNames) -> JSON {
        names.rmsNorm(stem, size, epsilon, offset: normOffset)
    }

    private func block(_ index: Int, _ names: TensorNames, _ rotary: JSON) -> Architecture.Block {
        let layer = "layers.\(index)."
        var mixer = JSONObject()
        mixer["pre_norm"] = norm(layer + "input_layernorm", hidden, names)
        mixer["mixer"] = attention(index, layer + "self_attn.", names, rotary)
        var channel = JSONObject()
        if hasOutputNorms {
            mixer["output_norm"] = norm(layer + "post_attention_layernorm", hidden, names)
            channel["pre_norm"] = norm(layer + "pre_feedforward_layernorm", hidden, names)
            channel["output_norm"] = norm(layer + "post_feedforward_layernorm", hidden, names)
        } else {
            channel["pre_norm"] = norm(layer + "post_attention_layernorm", hidden, names)
        }
        channel["channel"] = mlp(index, layer + "mlp.", names)
        return Architecture.Block(
            prefix: names.prefix + layer, node: ["sublayers": [.object(mixer), .object(channel)]])
    }

    private func mlp(_ index: Int, _ stem: String, _ names: TensorNames) -> JSON {
        let width = widths[index]
        func inner(_ name: String, part: Int) -> JSON {
            isFused
                ? names.fused(stem + "gate_up_proj", part: part, of: 2, width, hidden, bias: mlpBias)
                : names.linear("\(stem)\(name)_proj", width, hidden, bias: mlpBias)
        }
        return Nodes.glu(
            hidden: hidden, width: width, activation: activation, gate: inner("gate", part: 0),
            up: inner("up", part: 1), down: names.linear(stem + "down_proj", hidden, width, bias: mlpBias),
            sparsity: sparsity.isEmpty || sparsity[index] <= 0 ? nil : sparsity[index])
    }

    private func attention(_ index: Int, _ stem: String, _ names: TensorNames, _ rotary: JSON) -> JSON {
        let (queries, keys) = (heads * headSize, keyHeads * headSize)
        func projection(_ name: String, _ outputs: Int, from first: Int) -> JSON {
            guard isFused else {
                return names.linear("\(stem)\(name)_proj", outputs, hidden, bias: projectionBias)
            }
            return names.rows(stem + "qkv_proj", queries + 2 * keys, hidden, from: first, outputs, bias: projectionBias)
        }
        let takes = takesKeys[index]
        func own(_ node: JSON) -> JSON? { takes == nil ? .some(node) : .none }
        var features: [JSON] = []
        if hasHeadNorms {
            var norms = JSONObject()
            norms["type"] = "head_norm"
            norms["queries"] = norm(stem + "q_norm", headSize, names)
            if takes == nil {
                norms["keys"] = norm(stem + "k_norm", headSize, names)
                if hasValueNorms {
                    norms["values"] = ["type": "rms_norm", "size": .integer(headSize), "epsilon": .number(epsilon)]
                }
            }
            features.append(.object(norms))
        }
        return Nodes.attention(
            hidden: hidden, heads: heads, keyHeads: keyHeads, headSize: headSize, scale: scale,
            query: projection("q", queries, from: 0), key: own(projection("k", keys, from: queries)),
            value: own(projection("v", keys, from: queries + keys)), gives: givesKeys[index], takes: takes,
            output: names.linear(stem + "o_proj", hidden, queries, bias: outputBias),
            supports: Nodes.supports(isCausal: isCausal, window: layerTypes.window(index)),
            features: features + [rotary], softcap: attentionSoftcap)
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
    /// Adds the language model whose last layer is `lm_head`, or the token table `table`, and the classifiers whose last layer is
    /// `score`: that of sequences over the last token, that of tokens with a bias.
    ///
    /// - Parameters:
    ///   - isTied: whether the token table is that layer, where the config does not say.
    ///   - before: steps before the last layer of the language model, which takes rows of `width` elements.
    mutating func addCausalHeads(
        _ config: JSONFields, _ names: TensorNames, head: String = "lm_head", vocabulary: Int,
        table: String = "embed_tokens.weight", isTied: Bool = false, softcap: Double? = nil, before: [JSON] = [],
        width: Int? = nil
    ) throws(Failure) {
        let classes = try config.strings("architectures", default: [])
        let isTied = try config.bool("tie_word_embeddings", default: isTied)
        let hasOtherClass = !classes.isEmpty && !classes.contains { HeadKind(className: $0) == .causalLM }
        if names.has("\(head).weight") || (isTied && !hasOtherClass) {
            var step = JSONObject()
            step["linear"] = names.decoder(head, tied: table, vocabulary, width ?? hiddenSize, biases: [])
            if let softcap { step["softcap"] = .number(softcap) }
            heads[.causalLM] = Nodes.head("tokens", before + [.object(step)])
        }
        guard names.has("score.weight") else { return }
        let labels = try config.labelCount()
        if names.has("score.bias") {
            heads[.tokenClassification] = Nodes.head(
                "tokens", [Nodes.step(names.headLinear("score", labels, hiddenSize))])
        } else {
            heads[.sequenceClassification] = Nodes.head(
                "last", before + [Nodes.step(names.headLinear("score", labels, width ?? hiddenSize, bias: false))])
        }
    }
}
