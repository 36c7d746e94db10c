import NestlingBasics

/// BERT (Devlin et al., arXiv 1810.04805), and the sentence encoders that are BERTs: MiniLM, BGE, E5, GTE.
enum BERT: Family {
    static let modelTypes = ["bert"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("bert.", probe: "embeddings.word_embeddings.weight")
        let shape = try EncoderShape(config)
        try config.require("position_embedding_type", isOneOf: ["absolute"], default: "absolute")
        var architecture = Architecture(
            family: "bert", hiddenSize: shape.hidden,
            embedding: try embedding(config, names, width: shape.hidden, epsilon: shape.epsilon),
            blocks: blocks(shape, names))

        try architecture.addMaskedLanguageModel(
            config, names, dense: "cls.predictions.transform.dense", activation: shape.activation,
            norm: "cls.predictions.transform.LayerNorm", epsilon: shape.epsilon, decoder: "cls.predictions.decoder",
            bias: "cls.predictions.bias")
        try architecture.addPooledClassifier(config, names)
        return architecture
    }

    /// Word, position and type rows, then a LayerNorm.
    static func embedding(
        _ config: JSONFields, _ names: TensorNames, width: Int, epsilon: Double
    ) throws(Failure) -> JSON {
        [
            "tokens": names.table(
                "embeddings.word_embeddings.weight", try config.size("vocab_size", default: 30522), width),
            "positions": names.table(
                "embeddings.position_embeddings.weight", try config.size("max_position_embeddings", default: 512), width
            ),
            "token_types": names.table(
                "embeddings.token_type_embeddings.weight", try config.size("type_vocab_size", default: 2), width),
            "norm": names.layerNorm("embeddings.LayerNorm", width, epsilon),
        ]
    }

    /// Blocks under `encoder.layer.N.`, as BERT, RoBERTa and ELECTRA name them.
    static func blocks(_ shape: EncoderShape, _ names: TensorNames) -> [Architecture.Block] {
        (0..<shape.layers).map { index in
            let layer = "encoder.layer.\(index)."
            let node = Nodes.postNormBlock(
                attention: Nodes.attention(
                    hidden: shape.hidden, heads: shape.heads,
                    query: names.linear(layer + "attention.self.query", shape.hidden, shape.hidden),
                    key: names.linear(layer + "attention.self.key", shape.hidden, shape.hidden),
                    value: names.linear(layer + "attention.self.value", shape.hidden, shape.hidden),
                    output: names.linear(layer + "attention.output.dense", shape.hidden, shape.hidden)),
                norm: names.layerNorm(layer + "attention.output.LayerNorm", shape.hidden, shape.epsilon),
                channel: Nodes.mlp(
                    hidden: shape.hidden, width: shape.width, activation: shape.activation,
                    up: names.linear(layer + "intermediate.dense", shape.width, shape.hidden),
                    down: names.linear(layer + "output.dense", shape.hidden, shape.width)),
                channelNorm: names.layerNorm(layer + "output.LayerNorm", shape.hidden, shape.epsilon))
            return Architecture.Block(prefix: names.prefix + layer, node: node)
        }
    }
}

/// The sizes that BERT's descendants name alike.
struct EncoderShape {
    let hidden: Int
    let layers: Int
    let heads: Int
    let width: Int
    let activation: String
    let epsilon: Double

    /// Reads the sizes; the arguments are what a config means that leaves them out.
    init(
        _ config: JSONFields, hidden: Int = 768, layers: Int = 12, heads: Int = 12, width: Int = 3072,
        activation: String = "gelu",
        epsilon: Double = 1e-12
    ) throws(Failure) {
        self.hidden = try config.size("hidden_size", default: hidden)
        self.layers = try config.integer("num_hidden_layers", in: 0...4096, default: layers)
        self.heads = try config.heads("num_attention_heads", hidden: self.hidden, default: heads)
        self.width = try config.size("intermediate_size", default: width)
        self.activation = try config.activationName("hidden_act", default: activation)
        self.epsilon = try config.number("layer_norm_eps", default: epsilon)
    }
}
