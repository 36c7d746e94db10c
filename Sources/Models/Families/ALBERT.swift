import NestlingBasics

/// ALBERT (Lan et al., arXiv 1909.11942): layers share the weights of their group, and the embedding is factorized.
enum ALBERT: Family {
    static let modelTypes = ["albert"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("albert.", probe: "embeddings.word_embeddings.weight")
        let hidden = try config.size("hidden_size", default: 4096)
        let embeddingSize = try config.size("embedding_size", default: 128)
        let heads = try config.heads("num_attention_heads", hidden: hidden, default: 64)
        let width = try config.size("intermediate_size", default: 16384)
        let layers = try config.integer("num_hidden_layers", in: 0...4096, default: 12)
        let groups = try config.integer("num_hidden_groups", in: 1...4096, default: 1)
        let inner = try config.integer("inner_group_num", in: 1...max(1, 4096 / max(1, layers)), default: 1)
        let activation = try config.activationName("hidden_act", default: "gelu_new")
        let epsilon = try config.number("layer_norm_eps", default: 1e-12)
        try config.require("position_embedding_type", isOneOf: ["absolute"], default: "absolute")

        var embedding = try BERT.embedding(config, names, width: embeddingSize, epsilon: epsilon).object ?? JSONObject()
        embedding["projection"] = names.linear("encoder.embedding_hidden_mapping_in", hidden, embeddingSize)

        func block(_ stem: String) -> JSON {
            Nodes.postNormBlock(
                attention: Nodes.attention(
                    hidden: hidden, heads: heads,
                    query: names.linear(stem + "attention.query", hidden, hidden),
                    key: names.linear(stem + "attention.key", hidden, hidden),
                    value: names.linear(stem + "attention.value", hidden, hidden),
                    output: names.linear(stem + "attention.dense", hidden, hidden)),
                norm: names.layerNorm(stem + "attention.LayerNorm", hidden, epsilon),
                channel: Nodes.mlp(
                    hidden: hidden, width: width, activation: activation,
                    up: names.linear(stem + "ffn", width, hidden),
                    down: names.linear(stem + "ffn_output", hidden, width)),
                channelNorm: names.layerNorm(stem + "full_layer_layer_norm", hidden, epsilon))
        }
        // A group has `inner` layers of its own, each of which is a block.
        let blocks = (0..<layers * inner).map { index in
            let group = "encoder.albert_layer_groups.\(index / inner * groups / layers).albert_layers."
            return Architecture.Block(prefix: "", node: block("\(group)\(index % inner)."))
        }
        var architecture = Architecture(
            family: "albert", hiddenSize: hidden, embedding: .object(embedding), blocks: blocks)

        try architecture.addMaskedLanguageModel(
            config, names, dense: "predictions.dense", activation: activation, norm: "predictions.LayerNorm",
            epsilon: epsilon, decoder: "predictions.decoder", bias: "predictions.bias", width: embeddingSize)
        let pooler = Nodes.step(names.linear("pooler", hidden, hidden), "tanh")
        try architecture.addClassifiers(
            config, names, pooled: names.has(names.prefix + "pooler.weight") ? [pooler] : nil)
        return architecture
    }

    static func keep(layers: [Int], of count: Int, in config: inout JSONObject) {
        config["num_hidden_layers"] = .integer(layers.count / max(1, config["inner_group_num"]?.int ?? 1))
    }
}
