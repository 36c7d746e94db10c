import NestlingBasics

/// DistilBERT (Sanh et al., arXiv 1910.01108): BERT's blocks under other names, without token types.
enum DistilBERT: Family {
    static let modelTypes = ["distilbert"]
    static let widthKey = "hidden_dim"
    static let layersKey = "n_layers"

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("distilbert.", probe: "embeddings.word_embeddings.weight")
        let hidden = try config.size("dim", default: 768)
        let width = try config.size("hidden_dim", default: 3072)
        let heads = try config.heads("n_heads", hidden: hidden, default: 12)
        let activation = try config.activationName("activation", default: "gelu")
        let vocabulary = try config.size("vocab_size", default: 30522)
        let epsilon = 1e-12
        let embedding: JSON = [
            "tokens": names.table("embeddings.word_embeddings.weight", vocabulary, hidden),
            "positions": names.table(
                "embeddings.position_embeddings.weight", try config.size("max_position_embeddings", default: 512),
                hidden),
            "norm": names.layerNorm("embeddings.LayerNorm", hidden, epsilon),
        ]
        let blocks = (0..<(try config.integer("n_layers", in: 0...4096, default: 6))).map { index in
            let layer = "transformer.layer.\(index)."
            let node = Nodes.postNormBlock(
                attention: Nodes.attention(
                    hidden: hidden, heads: heads,
                    query: names.linear(layer + "attention.q_lin", hidden, hidden),
                    key: names.linear(layer + "attention.k_lin", hidden, hidden),
                    value: names.linear(layer + "attention.v_lin", hidden, hidden),
                    output: names.linear(layer + "attention.out_lin", hidden, hidden)),
                norm: names.layerNorm(layer + "sa_layer_norm", hidden, epsilon),
                channel: Nodes.mlp(
                    hidden: hidden, width: width, activation: activation,
                    up: names.linear(layer + "ffn.lin1", width, hidden),
                    down: names.linear(layer + "ffn.lin2", hidden, width)),
                channelNorm: names.layerNorm(layer + "output_layer_norm", hidden, epsilon))
            return Architecture.Block(prefix: names.prefix + layer, node: node)
        }
        var architecture = Architecture(family: "distilbert", hiddenSize: hidden, embedding: embedding, blocks: blocks)

        try architecture.addMaskedLanguageModel(
            config, names, dense: "vocab_transform", activation: activation, norm: "vocab_layer_norm", epsilon: epsilon,
            decoder: "vocab_projector", bias: "vocab_projector.bias")
        let preClassifier = Nodes.step(names.headLinear("pre_classifier", hidden, hidden), "relu")
        try architecture.addClassifiers(
            config, names, pooled: names.has("pre_classifier.weight") ? [preClassifier] : nil)
        return architecture
    }
}
