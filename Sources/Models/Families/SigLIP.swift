import NestlingBasics

/// SigLIP (Zhai et al., arXiv 2303.15343): as CLIP, but a pair of text and image is scored by itself. The last token is the
/// vector of a text, which is padded to its full length for that; a learned query gathers that of an image from all patches.
enum SigLIP: TowerFamily {
    static let stem = "siglip"

    static func architecture(
        _ config: JSONFields, _ names: TensorNames, _ which: Tower
    ) throws(Failure) -> Architecture {
        let tower = try TowerConfig(config, names, which, defaults: (768, 3072, 12, "gelu_pytorch_tanh", 1e-6))
        let (hidden, epsilon) = (tower.shape.hidden, tower.shape.epsilon)
        var architecture: Architecture
        switch which {
        case .text:
            architecture = try tower.text("siglip", vocabulary: 32000, positions: 64)
            let size = try tower.fields.size("projection_size", default: hidden)
            architecture.pooler = Nodes.head("last", [Nodes.step(tower.names.linear("head", size, hidden))])
        case .vision:
            architecture = Architecture(
                family: "siglip", hiddenSize: hidden, embedding: try tower.patches(patch: 16, bias: true),
                blocks: tower.blocks())
            architecture.finalNorm = tower.names.layerNorm("post_layernorm", hidden, epsilon)
            if try tower.fields.bool("vision_use_head", default: true) { architecture.pooler = pooler(tower) }
        }
        if names.has("logit_scale") {
            architecture.jointSimilarity = ["scale": "logit_scale", "bias": "logit_bias", "shape": [1]]
        }
        return architecture
    }

    /// Attention of the probe, then an MLP after a norm.
    private static func pooler(_ tower: TowerConfig) -> JSON {
        let (hidden, prefix) = (tower.shape.hidden, tower.names.prefix + "head.attention.")
        func projection(_ index: Int) -> JSON {
            LinearNode(
                weight: prefix + "in_proj_weight", bias: prefix + "in_proj_bias", rows: 3 * hidden, columns: hidden,
                firstRow: index * hidden, outputs: hidden
            ).json
        }
        let attention: JSON = [
            "heads": .integer(tower.shape.heads), "probe": .string(tower.names.prefix + "head.probe"),
            "query": projection(0), "key": projection(1), "value": projection(2),
            "output": tower.names.linear("head.attention.out_proj", hidden, hidden),
        ]
        let sublayer: JSON = [
            "pre_norm": tower.names.layerNorm("head.layernorm", hidden, tower.shape.epsilon),
            "channel": tower.mlp("head.mlp"),
        ]
        return ["input": "attention", "attention": attention, "steps": [["sublayer": sublayer]]]
    }
}
