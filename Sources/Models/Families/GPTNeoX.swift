import NestlingBasics

/// GPT-NeoX (Black et al., arXiv 2204.06745) and Pythia: attention and MLP side by side, partly rotated heads, and a fused tensor
/// that has query, key and value of one head after those of the last.
enum GPTNeoX: Family {
    static let modelTypes = ["gpt_neox"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("gpt_neox.", probe: "embed_in.weight")
        try config.refuseQuantization()
        let shape = try EncoderShape(config, hidden: 6144, layers: 44, heads: 64, width: 24576, epsilon: 1e-5)
        let (hidden, heads, epsilon) = (shape.hidden, shape.heads, shape.epsilon)
        let headSize = hidden / heads
        let bias = try config.bool("attention_bias", default: true)
        let isParallel = try config.bool("use_parallel_residual", default: true)
        let isCausal = try config.bool("is_causal", default: true)
        let rotary = try RotaryConfig(
            config, thetaKey: "rotary_emb_base", theta: 10_000, shareKey: "rotary_pct", share: 0.25
        ).feature(headSize: headSize, mayBePartial: true)
        let vocabulary = try config.size("vocab_size", default: 50432)
        let blocks = (0..<shape.layers).map { index in
            let layer = "layers.\(index)."
            func projection(_ part: Int) -> JSON {
                names.rows(
                    layer + "attention.query_key_value", 3 * hidden, hidden, from: part * headSize, hidden, bias: bias,
                    runs: (headSize, 3 * headSize))
            }
            let attention = Nodes.attention(
                hidden: hidden, heads: heads, query: projection(0), key: projection(1), value: projection(2),
                output: names.linear(layer + "attention.dense", hidden, hidden, bias: bias),
                supports: Nodes.supports(isCausal: isCausal, window: nil), features: [rotary])
            let channel = Nodes.mlp(
                hidden: hidden, width: shape.width, activation: shape.activation,
                up: names.linear(layer + "mlp.dense_h_to_4h", shape.width, hidden),
                down: names.linear(layer + "mlp.dense_4h_to_h", hidden, shape.width))
            let norm = names.layerNorm(layer + "input_layernorm", hidden, epsilon)
            let channelNorm = names.layerNorm(layer + "post_attention_layernorm", hidden, epsilon)
            let sideBySide: JSON = [
                "sublayers": [["pre_norm": norm, "mixer": attention, "channel_norm": channelNorm, "channel": channel]]
            ]
            return Architecture.Block(
                prefix: names.prefix + layer,
                node: isParallel
                    ? sideBySide
                    : Nodes.preNormBlock(norm: norm, attention: attention, channelNorm: channelNorm, channel: channel))
        }
        var architecture = Architecture(
            family: "gpt_neox", hiddenSize: hidden,
            embedding: ["tokens": names.table("embed_in.weight", vocabulary, hidden)], blocks: blocks)
        architecture.finalNorm = names.layerNorm("final_layer_norm", hidden, epsilon)
        architecture.textTokens = try config.optionalInteger("max_position_embeddings", in: 1...Int(Int32.max))
        // The published checkpoints call the last layer embed_out.
        try architecture.addCausalHeads(
            config, names, head: names.has("embed_out.weight") ? "embed_out" : "lm_head", vocabulary: vocabulary,
            table: "embed_in.weight")
        return architecture
    }
}
