import NestlingBasics

/// CLIP (Radford et al., arXiv 2103.00020): texts and images as vectors of one space. Text tokens meet those before them, and
/// the token that ends the text is its vector; the class token is that of an image.
enum CLIP: TowerFamily {
    static let stem = "clip"

    static func architecture(
        _ config: JSONFields, _ names: TensorNames, _ which: Tower
    ) throws(Failure) -> Architecture {
        let size = try config.size("projection_dim", default: 512)
        var architecture: Architecture
        switch which {
        case .text:
            let tower = try TowerConfig(config, names, .text, defaults: (512, 2048, 8, "quick_gelu", 1e-5))
            architecture = try tower.text("clip", vocabulary: 49408, positions: 77, supports: [["type": "causal"]])
            var pooler = JSONObject()
            pooler["input"] = "end_of_text"
            // 2 stands in old configs that do not know the token: it is the greatest one then.
            let end = try tower.fields.integer("eos_token_id", in: 0...Int(Int32.max), default: 49407)
            if end != 2 { pooler["token"] = .integer(end) }
            pooler["steps"] = .array(projection("text_projection", size, tower))
            architecture.pooler = .object(pooler)
        case .vision:
            let tower = try TowerConfig(config, names, .vision, defaults: (768, 3072, 12, "quick_gelu", 1e-5))
            let (hidden, epsilon) = (tower.shape.hidden, tower.shape.epsilon)
            architecture = Architecture(
                family: "clip", hiddenSize: hidden,
                embedding: try tower.patches(
                    patch: 32, bias: false, prefix: [ImageShape.Token("embeddings.class_embedding", leading: [])],
                    norm: tower.names.layerNorm("pre_layrnorm", hidden, epsilon)), blocks: tower.blocks())
            let norm = Nodes.step(norm: tower.names.layerNorm("post_layernorm", hidden, epsilon))
            architecture.pooler = Nodes.head("first", [norm] + projection("visual_projection", size, tower))
        }
        if names.has("logit_scale") { architecture.jointSimilarity = ["scale": "logit_scale", "shape": []] }
        return architecture
    }

    private static func projection(_ name: String, _ size: Int, _ tower: TowerConfig) -> [JSON] {
        tower.names.has("\(name).weight")
            ? [Nodes.step(tower.names.headLinear(name, size, tower.shape.hidden, bias: false))] : []
    }
}
