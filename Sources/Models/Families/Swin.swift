import NestlingBasics

/// Swin (Liu et al., arXiv 2103.14030): patches without a class token, in stages. Blocks attend in windows, every other one in
/// shifted ones; between stages four neighbours become one row of twice the size.
enum Swin: Family {
    static let modelTypes = ["swin"]
    static let layersKey = "num_layers"

    /// transformers leaves these two norms at the default of PyTorch.
    private static let stemEpsilon = 1e-5

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let names = names.base("swin.", probe: "embeddings.patch_embeddings.projection.weight")
        let stages = try stages(config)
        var blocks: [Architecture.Block] = []
        for (index, stage) in stages.enumerated() {
            for block in 0..<stage.depth {
                let layer = "encoder.layers.\(index).blocks.\(block)."
                var node =
                    try self.block(config, names, layer, stage, isShifted: !block.isMultiple(of: 2)).object
                    ?? JSONObject()
                if block == stage.depth - 1, index < stages.count - 1 {
                    node["downsampling"] = patchMerging(names, "encoder.layers.\(index).downsample.", stage.hidden)
                }
                blocks.append(Architecture.Block(prefix: names.prefix + layer, node: .object(node)))
            }
        }
        let first = stages[0].hidden
        let hasPositions = try config.bool("use_absolute_embeddings", default: false)
        let embedding = try ImageShape(config, patch: 4).embedding(
            names, hidden: first, patches: "embeddings.patch_embeddings.projection",
            positions: hasPositions ? "embeddings.position_embeddings" : nil, prefix: [],
            norm: names.layerNorm("embeddings.norm", first, stemEpsilon), startsStages: true)
        let hidden = stages[stages.count - 1].hidden
        var architecture = Architecture(family: "swin", hiddenSize: hidden, embedding: embedding, blocks: blocks)
        architecture.finalNorm = names.layerNorm("layernorm", hidden, try epsilon(config))
        architecture.pooler = Nodes.head("mean", [])
        if names.has("classifier.weight") {
            architecture.heads[.sequenceClassification] = Nodes.head(
                "mean", [Nodes.step(names.headLinear("classifier", try config.labelCount(), hidden))])
        }
        return architecture
    }

    /// Blocks of one hidden size.
    private struct Stage {
        let depth: Int
        let hidden: Int
        let heads: Int
        let width: Int
    }

    private static func stages(_ config: JSONFields) throws(Failure) -> [Stage] {
        let depths = try config.optionalIntegers("depths", in: 1...1024) ?? [2, 2, 6, 2]
        let heads = try config.optionalIntegers("num_heads", in: 1...65536) ?? [3, 6, 12, 24]
        guard !depths.isEmpty, depths.count == heads.count else {
            throw config.failure("depths", "has \(depths.count) numbers, num_heads has \(heads.count)")
        }
        var hidden = try config.size("embed_dim", default: 96)
        let ratio = try config.number("mlp_ratio", in: 0.001...1024, default: 4)
        var stages: [Stage] = []
        for (depth, heads) in zip(depths, heads) {
            guard hidden <= 16_777_216 else {
                throw config.failure(
                    "embed_dim", "doubles to \(hidden) in stage \(stages.count + 1), which is too many")
            }
            guard hidden.isMultiple(of: heads) else {
                throw config.failure(
                    "num_heads", "of \(heads) does not divide the \(hidden) elements of stage \(stages.count + 1)")
            }
            let width = Int(ratio * Double(hidden))
            guard width > 0 else { throw config.failure("mlp_ratio", "of \(ratio) leaves no width") }
            stages.append(Stage(depth: depth, hidden: hidden, heads: heads, width: width))
            hidden *= 2
        }
        return stages
    }

    private static func epsilon(_ config: JSONFields) throws(Failure) -> Double {
        try config.number("layer_norm_eps", in: 0...1, default: 1e-5)
    }

    private static func block(
        _ config: JSONFields, _ names: TensorNames, _ layer: String, _ stage: Stage, isShifted: Bool
    ) throws(Failure) -> JSON {
        let (hidden, epsilon) = (stage.hidden, try epsilon(config))
        let window = try config.integer("window_size", in: 1...4096, default: 7)
        let bias = try config.bool("qkv_bias", default: true)
        func projection(_ name: String) -> JSON {
            names.linear("\(layer)attention.self.\(name)", hidden, hidden, bias: bias)
        }
        let table: JSON = [
            "type": "window_bias",
            "weight": .string("\(names.prefix)\(layer)attention.self.relative_position_bias_table"),
            "heads": .integer(stage.heads), "size": .integer(window),
        ]
        var attention =
            Nodes.attention(
                hidden: hidden, heads: stage.heads, query: projection("query"), key: projection("key"),
                value: projection("value"), output: names.linear(layer + "attention.output.dense", hidden, hidden),
                supports: [table]
            ).object ?? JSONObject()
        attention["windows"] = ["size": .integer(window), "shift": .integer(isShifted ? window / 2 : 0)]
        return Nodes.preNormBlock(
            norm: names.layerNorm(layer + "layernorm_before", hidden, epsilon), attention: .object(attention),
            channelNorm: names.layerNorm(layer + "layernorm_after", hidden, epsilon),
            channel: Nodes.mlp(
                hidden: hidden, width: stage.width,
                activation: try config.activationName("hidden_act", default: "gelu"),
                up: names.linear(layer + "intermediate.dense", stage.width, hidden),
                down: names.linear(layer + "output.dense", hidden, stage.width)))
    }

    private static func patchMerging(_ names: TensorNames, _ stem: String, _ hidden: Int) -> JSON {
        [
            "type": "patch_merging", "hidden_size": .integer(hidden),
            "norm": names.layerNorm(stem + "norm", 4 * hidden, stemEpsilon),
            "reduction": names.linear(stem + "reduction", 2 * hidden, 4 * hidden, bias: false),
        ]
    }
}

extension Swin {
    /// One ratio of width to hidden size in all stages, if there is one that transformers would read.
    static func set(widths: [Int], of blocks: [Architecture.Block], in config: inout JSONObject) {
        let hidden = blocks.map { $0.node["sublayers"]?.array?.first?["mixer"]?["hidden_size"]?.int ?? 0 }
        guard let width = widths.first, let first = hidden.first, first > 0 else { return }
        // The least ratio that gives the first width; a little more, so that the product does not round below it.
        for ratio in [Double(width) / Double(first), (Double(width) + 1e-6) / Double(first)]
        where zip(widths, hidden).allSatisfy({ Int(ratio * Double($1)) == $0 }) {
            let whole = Int(ratio)
            config["mlp_ratio"] = Double(whole) == ratio ? .integer(whole) : .number(ratio)
            return
        }
    }

    /// As many blocks in each stage as are kept of it.
    static func keep(layers: [Int], of count: Int, in config: inout JSONObject) {
        guard let depths = config["depths"]?.array?.map({ $0.int ?? 0 }) else { return }
        var first = 0
        var kept: [JSON] = []
        for depth in depths {
            kept.append(.integer(layers.filter { (first..<first + depth).contains($0) }.count))
            first += depth
        }
        config["depths"] = .array(kept)
        config["num_layers"] = .integer(depths.count)
    }
}
