import NestlingBasics

/// Gemma (Gemma Team, arXiv 2403.08295): a Llama whose embedding is scaled and whose norms multiply by 1 and the weight.
enum Gemma: Family {
    static let modelTypes = ["gemma"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        var shape = try shape(
            config,
            DecoderShape.Defaults(
                hidden: 3072, layers: 28, heads: 16, keyHeads: 16, headSize: 256, width: 24576,
                activation: ("hidden_act", "gelu_pytorch_tanh"), vocabulary: 256_000))
        // The first configs say "gelu" and mean its approximation.
        if shape.activation == "gelu" { shape.activation = "gelu_tanh" }
        try refuseBothDirections(config)
        return try shape.architecture("gemma", names)
    }

    /// What all generations have in common.
    static func shape(_ config: JSONFields, _ defaults: DecoderShape.Defaults) throws(Failure) -> DecoderShape {
        var shape = try DecoderShape(config, defaults)
        shape.normOffset = 1
        // Rounded to float32, as the models round it.
        shape.embeddingScale = Double(Float(shape.hidden).squareRoot())
        shape.projectionBias = try config.bool("attention_bias", default: false)
        shape.outputBias = shape.projectionBias
        shape.isTied = true
        return shape
    }

    static func refuseBothDirections(_ config: JSONFields) throws(Failure) {
        guard try !config.bool("use_bidirectional_attention", default: false) else {
            throw config.unsupported("use_bidirectional_attention", "is not supported for this family")
        }
    }
}

/// Gemma 2 (arXiv 2408.00118): norms after attention and MLP too, bounded scores, and windows in every other layer.
enum Gemma2: Family {
    static let modelTypes = ["gemma2"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        var shape = try Gemma.shape(config, defaults(vocabulary: 256_000))
        try Gemma.refuseBothDirections(config)
        shape.hasOutputNorms = true
        shape.scale = 1 / (try config.scalar("query_pre_attn_scalar", default: 256)).squareRoot()
        shape.attentionSoftcap = try config.softcap("attn_logit_softcapping", default: 50)
        shape.logitSoftcap = try config.softcap("final_logit_softcapping", default: 30)
        shape.layerTypes = try layerTypes(config, layers: shape.layers)
        return try shape.architecture("gemma2", names)
    }

    /// What configs of the second and third generation mean that leave keys out.
    static func defaults(vocabulary: Int) -> DecoderShape.Defaults {
        DecoderShape.Defaults(
            hidden: 2304, layers: 26, heads: 8, keyHeads: 4, headSize: 256, width: 9216,
            activation: ("hidden_activation", "gelu_pytorch_tanh"), vocabulary: vocabulary)
    }

    private static func layerTypes(_ config: JSONFields, layers: Int) throws(Failure) -> LayerTypes {
        try LayerTypes(config, layers: layers, window: config.slidingWindow(default: 4096)) { index in
            index.isMultiple(of: 2) ? LayerTypes.sliding : LayerTypes.full
        }
    }

    static func keep(layers: [Int], of count: Int, in config: inout JSONObject) {
        LayerTypes.keep(layers, in: &config) { config, count throws(Failure) in
            try layerTypes(config, layers: count)
        }
    }
}

/// The texts of Gemma 3 (arXiv 2503.19786), of checkpoints for texts alone and for texts and images, and EmbeddingGemma (arXiv
/// 2509.20354): norms over heads, windows in five of six layers, which have a rotary base of their own.
enum Gemma3: Family {
    static let modelTypes = ["gemma3_text", "gemma3"]
    static let textKey: String? = "text_config"

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let isMultimodal = try config.string("model_type") == "gemma3"
        let text = isMultimodal ? try config.object("text_config") : config
        let names =
            names.base("language_model.", probe: "embed_tokens.weight")
            .base("model.language_model.", probe: "embed_tokens.weight")
            .base("language_model.model.", probe: "embed_tokens.weight")
        var shape = try Gemma.shape(text, Gemma2.defaults(vocabulary: 262_208))
        shape.hasOutputNorms = true
        shape.hasHeadNorms = true
        shape.scale = 1 / (try text.scalar("query_pre_attn_scalar", default: 256)).squareRoot()
        guard !text.contains("attn_logit_softcapping") else {
            throw text.unsupported("attn_logit_softcapping", "is not supported for this family")
        }
        shape.logitSoftcap = try text.softcap("final_logit_softcapping", default: nil)
        shape.layerTypes = try layerTypes(text, layers: shape.layers)
        if try text.bool("use_bidirectional_attention", default: false) { shape.isCausal = false }
        try shape.setRotary(text)
        return try shape.architecture("gemma3", names)
    }

    /// In both directions, a token sees as many tokens in all as the window says.
    private static func layerTypes(_ config: JSONFields, layers: Int) throws(Failure) -> LayerTypes {
        var window = try config.slidingWindow(default: 4096)
        if try config.bool("use_bidirectional_attention", default: false) { window = window.map { $0 / 2 + 1 } }
        let period = try config.integer("sliding_window_pattern", in: 1...4096, default: 6)
        return try LayerTypes(config, layers: layers, window: window) { index in
            (index + 1).isMultiple(of: period) ? LayerTypes.full : LayerTypes.sliding
        }
    }

    static func keep(layers: [Int], of count: Int, in config: inout JSONObject) {
        LayerTypes.keep(layers, in: &config) { config, count throws(Failure) in
            try layerTypes(config, layers: count)
        }
    }
}

extension DecoderShape {
    /// Takes the rotary features of `config`, which layers that see a window have for themselves.
    mutating func setRotary(_ config: JSONFields) throws(Failure) {
        rotary = [
            LayerTypes.full: try RotaryConfig(
                config, layerType: LayerTypes.full, scaling: "rope_scaling", thetaKey: "rope_theta", theta: 1_000_000
            ).feature(headSize: headSize),
            LayerTypes.sliding: try RotaryConfig(
                config, layerType: LayerTypes.sliding, scaling: nil, thetaKey: "rope_local_base_freq", theta: 10_000
            ).feature(headSize: headSize),
        ]
    }
}

extension JSONFields {
    /// The positive number `key`.
    fileprivate func scalar(_ key: String, default: Double) throws(Failure) -> Double {
        let value = try number(key, default: `default`)
        guard value > 0 else { throw failure(key, "must be positive") }
        return value
    }

    /// What bounds scores under `key`; null: nothing.
    func softcap(_ key: String, default: Double?) throws(Failure) -> Double? {
        if object[key]?.isNull == true { return nil }
        guard let value = try optionalNumber(key) ?? `default` else { return nil }
        guard value > 0 else { throw failure(key, "must be positive") }
        return value
    }
}
