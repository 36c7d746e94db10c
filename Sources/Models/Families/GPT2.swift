import NestlingBasics

/// GPT-2 (Radford et al., 2019): pre-norm blocks with LayerNorms and learned positions. Its matrices are stored transposed.
enum GPT2: Family {
    static let modelTypes = ["gpt2"]
    static let widthKey = "n_inner"
    static let layersKey = "n_layer"

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("transformer.", probe: "wte.weight")
        try config.refuseQuantization()
        let hidden = try config.size("n_embd", default: 768)
        let heads = try config.heads("n_head", hidden: hidden, default: 12)
        let layers = try config.integer("n_layer", in: 0...4096, default: 12)
        let width = try config.optionalInteger("n_inner", in: 1...16_777_216) ?? 4 * hidden
        let activation = try config.activationName("activation_function", default: "gelu_new")
        let epsilon = try config.number("layer_norm_epsilon", default: 1e-5)
        let vocabulary = try config.size("vocab_size", default: 50257)
        let positions = try config.size("n_positions", default: 1024)
        let isScaled = try config.bool("scale_attn_weights", default: true)
        let isScaledByLayer = try config.bool("scale_attn_by_inverse_layer_idx", default: false)
        guard try !config.bool("add_cross_attention", default: false) else {
            throw config.unsupported("add_cross_attention", "is not supported")
        }
        let headSize = hidden / heads
        func linear(_ stem: String, _ rows: Int, _ columns: Int, from first: Int = 0, _ outputs: Int? = nil) -> JSON {
            names.rows(stem, rows, columns, from: first, outputs ?? rows, bias: true, isTransposed: true)
        }
        let blocks = (0..<layers).map { index in
            let layer = "h.\(index)."
            func projection(_ part: Int) -> JSON {
                linear(layer + "attn.c_attn", 3 * hidden, hidden, from: part * hidden, hidden)
            }
            let usual = isScaled ? 1 / Double(headSize).squareRoot() : 1
            let node = Nodes.preNormBlock(
                norm: names.layerNorm(layer + "ln_1", hidden, epsilon),
                attention: Nodes.attention(
                    hidden: hidden, heads: heads,
                    scale: isScaledByLayer ? usual / Double(index + 1) : isScaled ? nil : 1, query: projection(0),
                    key: projection(1), value: projection(2), output: linear(layer + "attn.c_proj", hidden, hidden),
                    supports: Nodes.supports(isCausal: true, window: nil)),
                channelNorm: names.layerNorm(layer + "ln_2", hidden, epsilon),
                channel: Nodes.mlp(
                    hidden: hidden, width: width, activation: activation,
                    up: linear(layer + "mlp.c_fc", width, hidden), down: linear(layer + "mlp.c_proj", hidden, width)))
            return Architecture.Block(prefix: names.prefix + layer, node: node)
        }
        var architecture = Architecture(
            family: "gpt2", hiddenSize: hidden,
            embedding: [
                "tokens": names.table("wte.weight", vocabulary, hidden),
                "positions": names.table("wpe.weight", positions, hidden),
            ], blocks: blocks)
        architecture.finalNorm = names.layerNorm("ln_f", hidden, epsilon)
        architecture.textTokens = positions
        try architecture.addCausalHeads(config, names, vocabulary: vocabulary, table: "wte.weight", isTied: true)
        return architecture
    }
}
