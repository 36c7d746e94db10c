import NestlingBasics

/// RoBERTa (Liu et al., arXiv 1907.11692), XLM-R (arXiv 1911.02116) and CamemBERT: BERT's network with positions counted
/// from the padding id on.
enum RoBERTa: Family {
    static let modelTypes = ["roberta", "xlm-roberta", "camembert"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("roberta.", probe: "embeddings.word_embeddings.weight")
        let shape = try EncoderShape(config)
        try config.require("position_embedding_type", isOneOf: ["absolute"], default: "absolute")
        var embedding =
            try BERT.embedding(config, names, width: shape.hidden, epsilon: shape.epsilon).object ?? JSONObject()
        embedding["padding_id"] = .integer(try config.integer("pad_token_id", in: 0...Int(Int32.max), default: 1))
        var architecture = Architecture(
            family: try config.string("model_type"), hiddenSize: shape.hidden, embedding: .object(embedding),
            blocks: BERT.blocks(shape, names))
        try architecture.addLanguageModelHead(config, names, epsilon: shape.epsilon)
        try architecture.addTwoLayerClassifier(config, names, activation: "tanh")
        try architecture.addClassifiers(config, names, pooled: nil)
        return architecture
    }
}
