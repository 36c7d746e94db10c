import NestlingBasics

/// NomicBERT (Nussbaum et al., arXiv 2402.01613): BERT with rotary positions, gated MLPs and no biases in its products.
enum NomicBERT: Family {
    static let modelTypes = ["nomic_bert"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("nomic_bert.", probe: "embeddings.word_embeddings.weight")
        let config = try withoutAliases(config)
        let shape = try RotaryShape(config, width: 3072, activation: "silu", epsilon: 1e-12, theta: 1000)
        let blocks = shape.blocks(names, prefix: "encoder.layers.") { layer in
            RotaryShape.Parts(
                fusedAttention: layer + "attn.Wqkv", attentionOutput: layer + "attn.out_proj", attentionBias: false,
                norm: layer + "norm1",
                channel: Nodes.glu(
                    hidden: shape.hidden, width: shape.width, activation: shape.activation,
                    gate: names.linear(layer + "mlp.fc12", shape.width, shape.hidden, bias: false),
                    up: names.linear(layer + "mlp.fc11", shape.width, shape.hidden, bias: false),
                    down: names.linear(layer + "mlp.fc2", shape.hidden, shape.width, bias: false)),
                channelNorm: layer + "norm2")
        }
        var architecture = Architecture(
            family: "nomic_bert", hiddenSize: shape.hidden,
            embedding: try shape.embedding(config, names, norm: "emb_ln", vocabulary: 30528, types: 2), blocks: blocks)
        try architecture.addMaskedLanguageModel(
            config, names, dense: "cls.predictions.transform.dense", activation: shape.activation,
            norm: "cls.predictions.transform.layer_norm", epsilon: shape.epsilon, decoder: "cls.predictions.decoder",
            bias: "cls.predictions.bias")
        try architecture.addPooledClassifier(config, names)
        return architecture
    }

    /// The public checkpoints were written by their authors' code, with GPT-2's names for the sizes.
    private static func withoutAliases(_ config: JSONFields) throws(Failure) -> JSONFields {
        guard config.object["n_embd"] != nil else { return config }
        var object = config.object
        let aliases = [
            ("n_embd", "hidden_size"), ("n_head", "num_attention_heads"), ("n_layer", "num_hidden_layers"),
            ("n_inner", "intermediate_size"), ("n_positions", "max_position_embeddings"),
            ("layer_norm_epsilon", "layer_norm_eps"), ("rotary_emb_base", "rope_theta"),
        ]
        for (old, new) in aliases { if object[new] == nil { object[new] = object[old] } }
        try config.require("activation_function", isOneOf: ["swiglu"], default: "swiglu")
        guard try config.number("rotary_emb_fraction", default: 1) == 1,
            try !config.bool("rotary_emb_interleaved", default: false), try !config.bool("prenorm", default: false),
            try config.integer("num_experts", in: 0...4096, default: 0) == 0
        else {
            throw Failure(
                .unsupported,
                "\(config.name): partial or interleaved rotary embeddings, pre-norms and experts are not supported for nomic_bert"
            )
        }
        return JSONFields(object, name: config.name)
    }
}

/// GTE (Zhang et al., arXiv 2407.19669), the second generation: BERT with rotary positions and gated MLPs.
enum GTE: Family {
    static let modelTypes = ["gte", "new"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("gte.", probe: "embeddings.word_embeddings.weight")
            .base("new.", probe: "embeddings.word_embeddings.weight")
        let shape = try RotaryShape(config, width: 3072, activation: "gelu", epsilon: 1e-12, theta: 160_000)
        let blocks = shape.blocks(names, prefix: "encoder.layer.") { layer in
            RotaryShape.Parts(
                fusedAttention: layer + "attention.qkv_proj", attentionOutput: layer + "attention.o_proj",
                attentionBias: true, norm: layer + "attn_ln",
                channel: Nodes.glu(
                    hidden: shape.hidden, width: shape.width, activation: shape.activation,
                    gate: names.fused(
                        layer + "mlp.up_gate_proj", part: 1, of: 2, shape.width, shape.hidden, bias: false),
                    up: names.fused(layer + "mlp.up_gate_proj", part: 0, of: 2, shape.width, shape.hidden, bias: false),
                    down: names.linear(layer + "mlp.down_proj", shape.hidden, shape.width)),
                channelNorm: layer + "mlp_ln")
        }
        var architecture = Architecture(
            family: "gte", hiddenSize: shape.hidden,
            embedding: try shape.embedding(config, names, norm: "embeddings.LayerNorm", vocabulary: 250_048, types: 1),
            blocks: blocks)
        try architecture.addMaskedLanguageModel(
            config, names, dense: "lm_head.dense", activation: "gelu", norm: "lm_head.norm", epsilon: shape.epsilon,
            decoder: "lm_head.decoder", bias: "lm_head.decoder.bias")
        try architecture.addPooledClassifier(config, names)
        return architecture
    }
}

/// Jina embeddings v3 (Sturua et al., arXiv 2409.10173): XLM-R with rotary positions.
enum JinaEmbeddingsV3: Family {
    static let modelTypes = ["jina_embeddings_v3"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("roberta.", probe: "embeddings.word_embeddings.weight")
        let shape = try RotaryShape(config, width: 4096, activation: "gelu", epsilon: 1e-5, theta: 20_000)
        let blocks = shape.blocks(names, prefix: "encoder.layers.") { layer in
            RotaryShape.Parts(
                fusedAttention: layer + "mixer.Wqkv", attentionOutput: layer + "mixer.out_proj", attentionBias: true,
                norm: layer + "norm1",
                channel: Nodes.mlp(
                    hidden: shape.hidden, width: shape.width, activation: shape.activation,
                    up: names.linear(layer + "mlp.fc1", shape.width, shape.hidden),
                    down: names.linear(layer + "mlp.fc2", shape.hidden, shape.width)),
                channelNorm: layer + "norm2")
        }
        var architecture = Architecture(
            family: "jina_embeddings_v3", hiddenSize: shape.hidden,
            embedding: try shape.embedding(config, names, norm: "emb_ln", vocabulary: 250_002, types: 1), blocks: blocks
        )
        try architecture.addLanguageModelHead(config, names, epsilon: shape.epsilon)
        try architecture.addTwoLayerClassifier(config, names, activation: "tanh")
        try architecture.addClassifiers(config, names, pooled: nil)
        return architecture
    }
}

/// What BERT's descendants with rotary positions have in common: post-norm blocks with one fused tensor for queries, keys
/// and values.
struct RotaryShape {
    private let sizes: EncoderShape
    private let theta: Double

    var hidden: Int { sizes.hidden }
    var heads: Int { sizes.heads }
    var width: Int { sizes.width }
    var activation: String { sizes.activation }
    var epsilon: Double { sizes.epsilon }

    /// The parts of a block that differ.
    struct Parts {
        let fusedAttention: String
        let attentionOutput: String
        let attentionBias: Bool
        let norm: String
        let channel: JSON
        let channelNorm: String
    }

    init(_ config: JSONFields, width: Int, activation: String, epsilon: Double, theta: Double) throws(Failure) {
        sizes = try EncoderShape(config, width: width, activation: activation, epsilon: epsilon)
        self.theta = try config.ropeTheta(nil, legacy: "rope_theta", default: theta)
        let headSize = try config.integer("head_dim", in: 1...65536, default: sizes.hidden / sizes.heads)
        guard headSize == sizes.hidden / sizes.heads else {
            throw Failure(.unsupported, "\(config.name): head_dim \(headSize) is not hidden_size / num_attention_heads")
        }
    }

    /// Word and type rows and a norm; positions come with the rotation.
    func embedding(
        _ config: JSONFields, _ names: TensorNames, norm: String, vocabulary: Int, types: Int
    ) throws(Failure) -> JSON {
        var node = JSONObject()
        node["tokens"] = names.table(
            "embeddings.word_embeddings.weight", try config.size("vocab_size", default: vocabulary), hidden)
        let types = try config.integer("type_vocab_size", in: 0...16_777_216, default: types)
        if types > 0 { node["token_types"] = names.table("embeddings.token_type_embeddings.weight", types, hidden) }
        node["norm"] = names.layerNorm(norm, hidden, epsilon)
        return .object(node)
    }

    /// Blocks under `prefix` and their number.
    func blocks(_ names: TensorNames, prefix: String, _ parts: (String) -> Parts) -> [Architecture.Block] {
        (0..<sizes.layers).map { index in
            let layer = "\(prefix)\(index)."
            let parts = parts(layer)
            func projection(_ part: Int) -> JSON {
                names.fused(parts.fusedAttention, part: part, of: 3, hidden, hidden, bias: parts.attentionBias)
            }
            let node = Nodes.postNormBlock(
                attention: Nodes.attention(
                    hidden: hidden, heads: heads, query: projection(0), key: projection(1), value: projection(2),
                    output: names.linear(parts.attentionOutput, hidden, hidden, bias: parts.attentionBias),
                    features: [Nodes.rope(theta: theta, size: hidden / heads)]),
                norm: names.layerNorm(parts.norm, hidden, epsilon), channel: parts.channel,
                channelNorm: names.layerNorm(parts.channelNorm, hidden, epsilon))
            return Architecture.Block(prefix: names.prefix + layer, node: node)
        }
    }
}
