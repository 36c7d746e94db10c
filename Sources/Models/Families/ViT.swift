import NestlingBasics

/// ViT (Dosovitskiy et al., arXiv 2010.11929): a class token and patches through pre-norm blocks. What its descendants share
/// is here.
enum ViT: Family {
    static let modelTypes = ["vit"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("vit.", probe: "embeddings.cls_token")
        var architecture = try encoder("vit", config, names, prefix: [ImageShape.classToken])
        try addPooler(to: &architecture, config, names)
        if names.has("classifier.weight") {
            architecture.heads[.sequenceClassification] = Nodes.head(
                "first", [Nodes.step(names.headLinear("classifier", try config.labelCount(), architecture.hiddenSize))])
        }
        return architecture
    }

    /// Embedding, blocks and final norm; `prefix` are the stems and numbers of the rows before the patches.
    static func encoder(
        _ family: String, _ config: JSONFields, _ names: TensorNames, prefix: [ImageShape.Token]
    ) throws(Failure) -> Architecture {
        let shape = try EncoderShape(config)
        let image = try ImageShape(config)
        let bias = try config.bool("qkv_bias", default: true)
        let blocks = (0..<shape.layers).map { index in
            let layer = "encoder.layer.\(index)."
            let node = Nodes.preNormBlock(
                norm: names.layerNorm(layer + "layernorm_before", shape.hidden, shape.epsilon),
                attention: attention(shape, names, layer, bias: bias),
                channelNorm: names.layerNorm(layer + "layernorm_after", shape.hidden, shape.epsilon),
                channel: Nodes.mlp(
                    hidden: shape.hidden, width: shape.width, activation: shape.activation,
                    up: names.linear(layer + "intermediate.dense", shape.width, shape.hidden),
                    down: names.linear(layer + "output.dense", shape.hidden, shape.width)))
            return Architecture.Block(prefix: names.prefix + layer, node: node)
        }
        var architecture = Architecture(
            family: family, hiddenSize: shape.hidden,
            embedding: image.embedding(
                names, hidden: shape.hidden, patches: "embeddings.patch_embeddings.projection",
                positions: "embeddings.position_embeddings", prefix: prefix), blocks: blocks)
        architecture.finalNorm = names.layerNorm("layernorm", shape.hidden, shape.epsilon)
        return architecture
    }

    /// The attention of ViT and DINOv2 under `layer`.
    static func attention(
        _ shape: EncoderShape, _ names: TensorNames, _ layer: String, bias: Bool, scale: String? = nil
    ) -> JSON {
        func projection(_ name: String) -> JSON {
            names.linear("\(layer)attention.attention.\(name)", shape.hidden, shape.hidden, bias: bias)
        }
        return Nodes.attention(
            hidden: shape.hidden, heads: shape.heads, query: projection("query"), key: projection("key"),
            value: projection("value"),
            output: names.linear(layer + "attention.output.dense", shape.hidden, shape.hidden, scale: scale))
    }

    /// The pooler over the class token; the class token itself where there is none.
    static func addPooler(to architecture: inout Architecture, _ config: JSONFields, _ names: TensorNames)
        throws(Failure)
    {
        let hidden = architecture.hiddenSize
        var steps: [JSON] = []
        if names.has(names.prefix + "pooler.dense.weight") {
            let size = try config.size("pooler_output_size", default: hidden)
            let activation = try config.activationName("pooler_act", default: "tanh")
            steps.append(Nodes.step(names.linear("pooler.dense", size, hidden), activation))
        }
        architecture.pooler = Nodes.head("first", steps)
    }
}

/// DeiT (Touvron et al., arXiv 2012.12877): a ViT with a distillation token beside the class token. With a teacher, the
/// classifier is the mean of one over each of the two.
enum DeiT: Family {
    static let modelTypes = ["deit"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("deit.", probe: "embeddings.cls_token")
        let distillation = ImageShape.Token("embeddings.distillation_token")
        var architecture = try ViT.encoder("deit", config, names, prefix: [ImageShape.classToken, distillation])
        try ViT.addPooler(to: &architecture, config, names)
        let (labels, hidden) = (try config.labelCount(), architecture.hiddenSize)
        func classifier(_ input: String, _ stem: String) -> JSON {
            Nodes.head(input, [Nodes.step(names.headLinear(stem, labels, hidden))])
        }
        if names.has("cls_classifier.weight") {
            architecture.heads[.sequenceClassification] = [
                "mean_of": [classifier("first", "cls_classifier"), classifier("second", "distillation_classifier")]
            ]
        } else if names.has("classifier.weight") {
            architecture.heads[.sequenceClassification] = classifier("first", "classifier")
        }
        return architecture
    }
}

/// The encoder of a masked autoencoder (He et al., arXiv 2111.06377), run on all patches: a ViT whose positions were fixed sines
/// in training; the checkpoint holds them. The decoder is not read.
enum ViTMAE: Family {
    static let modelTypes = ["vit_mae"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("vit.", probe: "embeddings.cls_token")
        var architecture = try ViT.encoder("vit_mae", config, names, prefix: [ImageShape.classToken])
        try ViT.addPooler(to: &architecture, config, names)
        return architecture
    }
}
