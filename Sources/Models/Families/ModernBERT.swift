import NestlingBasics

/// ModernBERT (Warner et al., arXiv 2412.13663): pre-norm blocks without biases, rotary positions, gated MLPs, and local
/// attention in two of three layers.
enum ModernBERT: Family {
    static let modelTypes = ["modernbert"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("model.", probe: "embeddings.tok_embeddings.weight")
        let hidden = try config.size("hidden_size", default: 768)
        let heads = try config.heads("num_attention_heads", hidden: hidden, default: 12)
        let width = try config.size("intermediate_size", default: 1152)
        let layers = try config.integer("num_hidden_layers", in: 0...4096, default: 22)
        let activation = try config.activationName("hidden_activation", default: "gelu")
        let epsilon = try config.number("norm_eps", default: 1e-5)
        let normBias = try config.bool("norm_bias", default: false)
        let attentionBias = try config.bool("attention_bias", default: false)
        let mlpBias = try config.bool("mlp_bias", default: false)
        let radius = try config.integer("local_attention", in: 0...Int(Int32.max), default: 128) / 2
        let isGlobal = try globalLayers(config, count: layers)
        let globalTheta = try config.ropeTheta("full_attention", legacy: "global_rope_theta", default: 160_000)
        let localTheta = try config.ropeTheta("sliding_attention", legacy: "local_rope_theta", default: 10_000)

        func norm(_ stem: String) -> JSON { names.layerNorm(stem, hidden, epsilon, bias: normBias) }
        let blocks = (0..<layers).map { index in
            let layer = "layers.\(index)."
            let attention = Nodes.attention(
                hidden: hidden, heads: heads,
                query: names.fused(layer + "attn.Wqkv", part: 0, of: 3, hidden, hidden, bias: attentionBias),
                key: names.fused(layer + "attn.Wqkv", part: 1, of: 3, hidden, hidden, bias: attentionBias),
                value: names.fused(layer + "attn.Wqkv", part: 2, of: 3, hidden, hidden, bias: attentionBias),
                output: names.linear(layer + "attn.Wo", hidden, hidden, bias: attentionBias),
                supports: isGlobal[index] ? [] : [["type": "window", "radius": .integer(radius)]],
                features: [Nodes.rope(theta: isGlobal[index] ? globalTheta : localTheta, size: hidden / heads)])
            let channel = Nodes.glu(
                hidden: hidden, width: width, activation: activation,
                gate: names.fused(layer + "mlp.Wi", part: 0, of: 2, width, hidden, bias: mlpBias),
                up: names.fused(layer + "mlp.Wi", part: 1, of: 2, width, hidden, bias: mlpBias),
                down: names.linear(layer + "mlp.Wo", hidden, width, bias: mlpBias))
            // The embedding ends with a norm, so the first layer begins without one.
            var mixer: JSONObject = JSONObject()
            if index > 0 { mixer["pre_norm"] = norm(layer + "attn_norm") }
            mixer["mixer"] = attention
            return Architecture.Block(
                prefix: names.prefix + layer,
                node: ["sublayers": [.object(mixer), ["pre_norm": norm(layer + "mlp_norm"), "channel": channel]]])
        }
        let vocabulary = try config.size("vocab_size", default: 50368)
        var architecture = Architecture(
            family: "modernbert", hiddenSize: hidden,
            embedding: [
                "tokens": names.table("embeddings.tok_embeddings.weight", vocabulary, hidden),
                "norm": norm("embeddings.norm"),
            ], blocks: blocks)
        architecture.finalNorm = norm("final_norm")

        // All heads share a first layer and a norm.
        guard names.has("head.dense.weight") else { return architecture }
        let stem = [
            Nodes.step(
                names.headLinear(
                    "head.dense", hidden, hidden, bias: try config.bool("classifier_bias", default: false)),
                try config.activationName("classifier_activation", default: "gelu")),
            Nodes.step(norm: names.headLayerNorm("head.norm", hidden, epsilon, bias: normBias)),
        ]
        if names.has("classifier.weight") {
            let classes = try config.strings("architectures", default: [])
            let kind = classes.lazy.compactMap(HeadKind.init(className:)).first ?? .sequenceClassification
            let outputs = kind == .questionAnswering ? 2 : try config.labelCount()
            try config.require("classifier_pooling", isOneOf: ["cls", "mean"], default: "cls")
            let pooled = try config.string("classifier_pooling", default: "cls") == "mean" ? "mean" : "first"
            architecture.heads[kind] = Nodes.head(
                kind == .sequenceClassification ? pooled : "tokens",
                stem + [Nodes.step(names.headLinear("classifier", outputs, hidden))])
        } else {
            let decoderBias = try config.bool("decoder_bias", default: true)
            architecture.heads[.maskedLM] = Nodes.head(
                "tokens",
                stem + [
                    Nodes.step(
                        names.decoder(
                            "decoder", tied: "embeddings.tok_embeddings.weight", vocabulary, hidden,
                            biases: decoderBias ? ["decoder.bias"] : []))
                ])
        }
        return architecture
    }

    private static func globalLayers(_ config: JSONFields, count: Int) throws(Failure) -> [Bool] {
        if let types = try config.optionalStrings("layer_types") {
            guard types.count == count else {
                throw Failure(.corrupt, "\(config.name): layer_types has \(types.count) entries for \(count) layers")
            }
            for type in types where type != "full_attention" && type != "sliding_attention" {
                throw Failure(.unsupported, "\(config.name): layer type \(type.quoted) is not supported")
            }
            return types.map { $0 == "full_attention" }
        }
        let period = try config.integer("global_attn_every_n_layers", in: 1...4096, default: 3)
        return (0..<count).map { $0 % period == 0 }
    }

    static func keep(layers: [Int], of count: Int, in config: inout JSONObject) {
        let fields = JSONFields(config, name: "config.json")
        guard let count = layers.last.map({ $0 + 1 }),
            let types = config["layer_types"]?.array
                ?? {
                    let period = (try? fields.integer("global_attn_every_n_layers", in: 1...4096, default: 3)) ?? 3
                    return (0..<count).map { $0 % period == 0 ? "full_attention" : "sliding_attention" }
                }()
        else { return }
        config["layer_types"] = .array(layers.filter { $0 < types.count }.map { types[$0] })
    }
}
