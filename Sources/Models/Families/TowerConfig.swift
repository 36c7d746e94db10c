import NestlingBasics

/// What the towers of CLIP and SigLIP have in common.
struct TowerConfig {
    /// The config of the tower.
    let fields: JSONFields
    /// The sizes.
    let shape: EncoderShape
    /// The names of the tower's tensors.
    let names: TensorNames

    /// The config under `text_config` or `vision_config`, or the whole one of a checkpoint that holds one tower only.
    init(
        _ config: JSONFields, _ names: TensorNames, _ tower: Tower,
        defaults: (hidden: Int, width: Int, heads: Int, activation: String, epsilon: Double)
    ) throws(Failure) {
        let isNested = !(try config.string("model_type").hasSuffix("_\(tower.rawValue)_model"))
        fields = isNested ? try config.object("\(tower.rawValue)_config") : config
        shape = try EncoderShape(
            fields, hidden: defaults.hidden, heads: defaults.heads, width: defaults.width,
            activation: defaults.activation, epsilon: defaults.epsilon)
        self.names = names.base("\(tower.rawValue)_model.", probe: "encoder.layers.0.layer_norm1.weight")
    }

    /// Blocks under `encoder.layers.N.`.
    func blocks(supports: [JSON] = []) -> [Architecture.Block] {
        let hidden = shape.hidden
        return (0..<shape.layers).map { index in
            let layer = "encoder.layers.\(index)."
            func projection(_ name: String) -> JSON { names.linear("\(layer)self_attn.\(name)_proj", hidden, hidden) }
            let node = Nodes.preNormBlock(
                norm: names.layerNorm(layer + "layer_norm1", hidden, shape.epsilon),
                attention: Nodes.attention(
                    hidden: hidden, heads: shape.heads, query: projection("q"), key: projection("k"),
                    value: projection("v"), output: projection("out"), supports: supports),
                channelNorm: names.layerNorm(layer + "layer_norm2", hidden, shape.epsilon),
                channel: mlp("\(layer)mlp"))
            return Architecture.Block(prefix: names.prefix + layer, node: node)
        }
    }

    /// The MLP under `stem`.
    func mlp(_ stem: String) -> JSON {
        Nodes.mlp(
            hidden: shape.hidden, width: shape.width, activation: shape.activation,
            up: names.linear(stem + ".fc1", shape.width, shape.hidden),
            down: names.linear(stem + ".fc2", shape.hidden, shape.width))
    }

    /// A text tower: tokens, blocks, a norm.
    func text(_ family: String, vocabulary: Int, positions: Int, supports: [JSON] = []) throws(Failure) -> Architecture
    {
        let positions = try fields.size("max_position_embeddings", default: positions)
        var architecture = Architecture(
            family: family, hiddenSize: shape.hidden,
            embedding: [
                "tokens": names.table(
                    "embeddings.token_embedding.weight", try fields.size("vocab_size", default: vocabulary),
                    shape.hidden),
                "positions": names.table("embeddings.position_embedding.weight", positions, shape.hidden),
            ], blocks: blocks(supports: supports))
        architecture.finalNorm = names.layerNorm("final_layer_norm", shape.hidden, shape.epsilon)
        architecture.textTokens = positions
        return architecture
    }

    /// The node of an embedding of images.
    func patches(
        patch: Int, bias: Bool, prefix: [ImageShape.Token] = [], norm: JSON? = nil
    ) throws(Failure) -> JSON {
        try ImageShape(fields, patch: patch).embedding(
            names, hidden: shape.hidden, patches: "embeddings.patch_embedding", bias: bias,
            positions: "embeddings.position_embedding.weight", isTable: true, prefix: prefix, norm: norm)
    }
}
