import NestlingBasics

/// OPT (Zhang et al., arXiv 2205.01068): learned positions from the third row on; norms before attention and MLP, or, in the model
/// of 350 million parameters, after. Where the token table is narrower than the network, rows are projected before positions are
/// added, and again before scores: hidden states are those in between.
enum OPT: Family {
    static let modelTypes = ["opt"]
    static let widthKey = "ffn_dim"

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("decoder.", probe: "embed_tokens.weight")
            .base("model.decoder.", probe: "embed_tokens.weight")
        try config.refuseQuantization()
        let hidden = try config.size("hidden_size", default: 768)
        let heads = try config.heads("num_attention_heads", hidden: hidden, default: 12)
        let layers = try config.integer("num_hidden_layers", in: 0...4096, default: 12)
        let width = try config.size("ffn_dim", default: 3072)
        let embeddingSize = try config.size("word_embed_proj_dim", default: hidden)
        let activation = try config.activationName("activation_function", default: "relu")
        let isPreNorm = try config.bool("do_layer_norm_before", default: true)
        let bias = try config.bool("enable_bias", default: true)
        let isAffine = try config.bool("layer_norm_elementwise_affine", default: true)
        let vocabulary = try config.size("vocab_size", default: 50272)
        let positions = try config.size("max_position_embeddings", default: 2048)

        func norm(_ stem: String) -> JSON {
            guard isAffine else { return ["type": "layer_norm", "size": .integer(hidden), "epsilon": 1e-5] }
            return names.layerNorm(stem, hidden, 1e-5)
        }
        let blocks = (0..<layers).map { index in
            let layer = "layers.\(index)."
            func projection(_ name: String) -> JSON {
                names.linear("\(layer)self_attn.\(name)_proj", hidden, hidden, bias: bias)
            }
            let attention = Nodes.attention(
                hidden: hidden, heads: heads, query: projection("q"), key: projection("k"), value: projection("v"),
                output: projection("out"), supports: Nodes.supports(isCausal: true, window: nil))
            let channel = Nodes.mlp(
                hidden: hidden, width: width, activation: activation,
                up: names.linear(layer + "fc1", width, hidden, bias: bias),
                down: names.linear(layer + "fc2", hidden, width, bias: bias))
            let (first, second) = (norm(layer + "self_attn_layer_norm"), norm(layer + "final_layer_norm"))
            return Architecture.Block(
                prefix: names.prefix + layer,
                node: isPreNorm
                    ? Nodes.preNormBlock(norm: first, attention: attention, channelNorm: second, channel: channel)
                    : Nodes.postNormBlock(attention: attention, norm: first, channel: channel, channelNorm: second))
        }
        var embedding = JSONObject()
        embedding["tokens"] = names.table("embed_tokens.weight", vocabulary, embeddingSize)
        embedding["positions"] = names.table("embed_positions.weight", positions + 2, hidden)
        embedding["position_offset"] = 2
        var before: [JSON] = []
        if embeddingSize != hidden {
            embedding["projection"] = names.linear("project_in", hidden, embeddingSize, bias: false)
            embedding["positions_follow_projection"] = true
            before = [Nodes.step(names.linear("project_out", embeddingSize, hidden, bias: false))]
        }
        var architecture = Architecture(
            family: "opt", hiddenSize: hidden, embedding: .object(embedding), blocks: blocks)
        let isWithoutFinalNorm = try config.bool("_remove_final_layer_norm", default: false)
        if isPreNorm && !isWithoutFinalNorm { architecture.finalNorm = norm("final_layer_norm") }
        try architecture.addCausalHeads(
            config, names, vocabulary: vocabulary, isTied: true, before: before, width: embeddingSize)
        return architecture
    }
}
