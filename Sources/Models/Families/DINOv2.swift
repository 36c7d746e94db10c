import NestlingBasics

/// DINOv2 (Oquab et al., arXiv 2304.07193), and with registers (Darcet et al., arXiv 2309.16588): a ViT whose residuals are
/// scaled (LayerScale), with a gated FFN in the largest one. The classifier sees the class token and the mean of the patches.
enum DINOv2: Family {
    static let modelTypes = ["dinov2", "dinov2_with_registers"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("dinov2.", probe: "embeddings.cls_token")
            .base("dinov2_with_registers.", probe: "embeddings.cls_token")
        let shape = try EncoderShape(config, epsilon: 1e-6)
        let hidden = shape.hidden
        let bias = try config.bool("qkv_bias", default: true)
        let isGated = try config.bool("use_swiglu_ffn", default: false)
        let width = try width(config, hidden, isGated: isGated)
        func norm(_ stem: String) -> JSON { names.layerNorm(stem, hidden, shape.epsilon) }
        let blocks = (0..<shape.layers).map { index in
            let layer = "encoder.layer.\(index)."
            let scale = layer + "layer_scale2.lambda1"
            let channel =
                isGated
                ? Nodes.glu(
                    hidden: hidden, width: width, activation: "silu",
                    gate: names.fused(layer + "mlp.weights_in", part: 0, of: 2, width, hidden, bias: true),
                    up: names.fused(layer + "mlp.weights_in", part: 1, of: 2, width, hidden, bias: true),
                    down: names.linear(layer + "mlp.weights_out", hidden, width, scale: scale))
                : Nodes.mlp(
                    hidden: hidden, width: width, activation: shape.activation,
                    up: names.linear(layer + "mlp.fc1", width, hidden),
                    down: names.linear(layer + "mlp.fc2", hidden, width, scale: scale))
            let node = Nodes.preNormBlock(
                norm: norm(layer + "norm1"),
                attention: ViT.attention(shape, names, layer, bias: bias, scale: layer + "layer_scale1.lambda1"),
                channelNorm: norm(layer + "norm2"), channel: channel)
            return Architecture.Block(prefix: names.prefix + layer, node: node)
        }

        // With registers transformers interpolates positions with antialiasing, without them it does not.
        let hasRegisters = try config.string("model_type") == "dinov2_with_registers"
        let registers = hasRegisters ? try config.integer("num_register_tokens", in: 0...1024, default: 4) : 0
        var prefix = [ImageShape.classToken]
        if registers > 0 {
            prefix.append(ImageShape.Token("embeddings.register_tokens", count: registers, hasPosition: false))
        }
        var architecture = Architecture(
            family: hasRegisters ? "dinov2_with_registers" : "dinov2", hiddenSize: hidden,
            embedding: try ImageShape(config).embedding(
                names, hidden: hidden, patches: "embeddings.patch_embeddings.projection",
                positions: "embeddings.position_embeddings", prefix: prefix, antialias: hasRegisters), blocks: blocks)
        architecture.finalNorm = norm("layernorm")
        architecture.pooler = Nodes.head("first", [])
        if names.has("classifier.weight") {
            architecture.heads[.sequenceClassification] = [
                "input": "first_and_mean", "skip": .integer(1 + registers),
                "steps": [Nodes.step(names.headLinear("classifier", try config.labelCount(), 2 * hidden))],
            ]
        }
        return architecture
    }

    /// `mlp_ratio` times the hidden size; two thirds of that, rounded up to a multiple of 8, where gate and up share them.
    private static func width(_ config: JSONFields, _ hidden: Int, isGated: Bool) throws(Failure) -> Int {
        let ratio = try config.number("mlp_ratio", in: 0.001...1024, default: 4)
        let width = Int(Double(hidden) * ratio)
        guard width > 0 else { throw config.failure("mlp_ratio", "of \(ratio) leaves no width") }
        return isGated ? (Int(Double(width) * 2 / 3) + 7) / 8 * 8 : width
    }

    static func set(width: Int, in config: inout JSONObject) {
        // Other widths are no ratio that transformers would read.
        guard let hidden = config["hidden_size"]?.int, hidden > 0, width.isMultiple(of: hidden),
            config["use_swiglu_ffn"]?.bool != true
        else { return }
        config["mlp_ratio"] = .integer(width / hidden)
    }

    static func keep(layers: [Int], of count: Int, in config: inout JSONObject) {
        // Names of the layers and which of them a backbone gives: transformers makes them up anew, for as many as there are.
        guard config["stage_names"]?.array?.count != layers.count + 1 else { return }
        for key in ["stage_names", "out_features", "out_indices"] { config[key] = nil }
    }
}
