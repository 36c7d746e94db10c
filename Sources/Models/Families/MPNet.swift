import NestlingBasics

/// MPNet (Song et al., arXiv 2004.09297): BERT's blocks, one learned relative bias shared by all layers, RoBERTa's positions.
enum MPNet: Family {
    static let modelTypes = ["mpnet"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("mpnet.", probe: "embeddings.word_embeddings.weight")
        let shape = try EncoderShape(config)
        let embedding: JSON = [
            "tokens": names.table(
                "embeddings.word_embeddings.weight", try config.size("vocab_size", default: 30527), shape.hidden),
            "positions": names.table(
                "embeddings.position_embeddings.weight", try config.size("max_position_embeddings", default: 512),
                shape.hidden),
            // The model is written with 1, whatever the config calls its padding token.
            "padding_id": 1,
            "norm": names.layerNorm("embeddings.LayerNorm", shape.hidden, shape.epsilon),
        ]
        let bias: JSON = [
            "type": "relative_bias", "weight": .string(names.prefix + "encoder.relative_attention_bias.weight"),
            "heads": .integer(shape.heads),
            "buckets": .integer(try config.integer("relative_attention_num_buckets", in: 4...65536, default: 32)),
            "max_distance": 128,
        ]
        let blocks = (0..<shape.layers).map { index in
            let layer = "encoder.layer.\(index)."
            let node = Nodes.postNormBlock(
                attention: Nodes.attention(
                    hidden: shape.hidden, heads: shape.heads,
                    query: names.linear(layer + "attention.attn.q", shape.hidden, shape.hidden),
                    key: names.linear(layer + "attention.attn.k", shape.hidden, shape.hidden),
                    value: names.linear(layer + "attention.attn.v", shape.hidden, shape.hidden),
                    output: names.linear(layer + "attention.attn.o", shape.hidden, shape.hidden), supports: [bias]),
                norm: names.layerNorm(layer + "attention.LayerNorm", shape.hidden, shape.epsilon),
                channel: Nodes.mlp(
                    hidden: shape.hidden, width: shape.width, activation: shape.activation,
                    up: names.linear(layer + "intermediate.dense", shape.width, shape.hidden),
                    down: names.linear(layer + "output.dense", shape.hidden, shape.width)),
                channelNorm: names.layerNorm(layer + "output.LayerNorm", shape.hidden, shape.epsilon))
            return Architecture.Block(prefix: names.prefix + layer, node: node)
        }
        var architecture = Architecture(family: "mpnet", hiddenSize: shape.hidden, embedding: embedding, blocks: blocks)
        try architecture.addLanguageModelHead(config, names, epsilon: shape.epsilon)
        try architecture.addTwoLayerClassifier(config, names, activation: "tanh")
        try architecture.addClassifiers(config, names, pooled: nil)
        return architecture
    }
}
