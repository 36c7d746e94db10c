import NestlingBasics

/// ELECTRA (Clark et al., arXiv 2003.10555): BERT's blocks behind an embedding that may be narrower than the network.
enum ELECTRA: Family {
    static let modelTypes = ["electra"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("electra.", probe: "embeddings.word_embeddings.weight")
        let shape = try EncoderShape(config)
        try config.require("position_embedding_type", isOneOf: ["absolute"], default: "absolute")
        let width = try config.size("embedding_size", default: 128)
        var embedding = try BERT.embedding(config, names, width: width, epsilon: shape.epsilon).object ?? JSONObject()
        if width != shape.hidden { embedding["projection"] = names.linear("embeddings_project", shape.hidden, width) }
        var architecture = Architecture(
            family: "electra", hiddenSize: shape.hidden, embedding: .object(embedding),
            blocks: BERT.blocks(shape, names))

        try architecture.addMaskedLanguageModel(
            config, names, dense: "generator_predictions.dense", activation: "gelu",
            norm: "generator_predictions.LayerNorm", epsilon: shape.epsilon, decoder: "generator_lm_head",
            bias: "generator_lm_head.bias", width: width)
        if names.has("discriminator_predictions.dense.weight") {
            architecture.heads[.replacedToken] = Nodes.head(
                "tokens",
                [
                    Nodes.step(
                        names.headLinear("discriminator_predictions.dense", shape.hidden, shape.hidden),
                        shape.activation),
                    Nodes.step(names.headLinear("discriminator_predictions.dense_prediction", 1, shape.hidden)),
                ])
        }
        try architecture.addTwoLayerClassifier(config, names, activation: "gelu")
        try architecture.addClassifiers(config, names, pooled: nil)
        return architecture
    }
}
