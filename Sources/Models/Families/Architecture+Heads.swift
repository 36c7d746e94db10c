import NestlingBasics

/// Heads that several families have in common.
extension Architecture {
    /// Adds the masked language model that begins with the layer `dense`, if the checkpoint has one: that layer, its
    /// activation, a norm, and a decoder that may share the token table. `width`: what the layer gives, if not the hidden size.
    mutating func addMaskedLanguageModel(
        _ config: JSONFields, _ names: TensorNames, dense: String, activation: String, norm: String, epsilon: Double,
        decoder: String, bias: String, width: Int? = nil
    ) throws(Failure) {
        guard names.has("\(dense).weight") else { return }
        let width = width ?? hiddenSize
        let vocabulary = try config.size("vocab_size")
        heads[.maskedLM] = Nodes.head(
            "tokens",
            [
                Nodes.step(names.headLinear(dense, width, hiddenSize), activation),
                Nodes.step(norm: names.headLayerNorm(norm, width, epsilon)),
                Nodes.step(
                    names.decoder(
                        decoder, tied: "embeddings.word_embeddings.weight", vocabulary, width,
                        biases: ["\(decoder).bias", bias])),
            ])
    }

    /// Adds the heads whose last layer is `classifier` or `qa_outputs`.
    ///
    /// - Parameter pooled: steps from the first token to the classifier of sequences; `nil` if the checkpoint has none, so
    ///   that a plain `classifier` is one of tokens.
    mutating func addClassifiers(_ config: JSONFields, _ names: TensorNames, pooled: [JSON]?) throws(Failure) {
        if names.has("classifier.weight") {
            let classifier = Nodes.step(names.headLinear("classifier", try config.labelCount(), hiddenSize))
            let isToken = try config.strings("architectures", default: []).contains {
                $0.hasSuffix("ForTokenClassification")
            }
            if let pooled, !isToken {
                heads[.sequenceClassification] = Nodes.head("first", pooled + [classifier])
            } else {
                heads[.tokenClassification] = Nodes.head("tokens", [classifier])
            }
        }
        if names.has("qa_outputs.weight") {
            heads[.questionAnswering] = Nodes.head(
                "tokens", [Nodes.step(names.headLinear("qa_outputs", 2, hiddenSize))])
        }
    }

    /// Adds the classifier of sequences that RoBERTa, MPNet and ELECTRA have: two layers over the first token.
    mutating func addTwoLayerClassifier(_ config: JSONFields, _ names: TensorNames, activation: String) throws(Failure)
    {
        guard names.has("classifier.out_proj.weight") else { return }
        heads[.sequenceClassification] = Nodes.head(
            "first",
            [
                Nodes.step(names.headLinear("classifier.dense", hiddenSize, hiddenSize), activation),
                Nodes.step(names.headLinear("classifier.out_proj", try config.labelCount(), hiddenSize)),
            ])
    }

    /// Adds BERT's classifiers, where a pooler tells that of sequences from that of tokens.
    mutating func addPooledClassifier(_ config: JSONFields, _ names: TensorNames) throws(Failure) {
        let pooler = Nodes.step(names.linear("pooler.dense", hiddenSize, hiddenSize), "tanh")
        try addClassifiers(config, names, pooled: names.has(names.prefix + "pooler.dense.weight") ? [pooler] : nil)
    }

    /// Adds the masked language model that RoBERTa, MPNet and Jina v3 have under `lm_head`. Its activation is always GELU.
    mutating func addLanguageModelHead(_ config: JSONFields, _ names: TensorNames, epsilon: Double) throws(Failure) {
        try addMaskedLanguageModel(
            config, names, dense: "lm_head.dense", activation: "gelu", norm: "lm_head.layer_norm", epsilon: epsilon,
            decoder: "lm_head.decoder", bias: "lm_head.bias")
    }
}
