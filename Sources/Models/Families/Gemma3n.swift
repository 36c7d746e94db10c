import NestlingBasics

/// The texts of Gemma 3n, of checkpoints for texts alone and for texts, images and sounds: a Gemma 3 whose FFNs are made to be cut
/// layer by layer (MatFormer, arXiv 2310.07707), of four streams (AltUp, arXiv 2301.13310), with a learned residual beside
/// attention (LAuReL, arXiv 2411.07501), embeddings of tokens for each layer, sparse gates in the first layers, and keys that the
/// last layers take from earlier ones.
enum Gemma3n: Family {
    static let modelTypes = ["gemma3n_text", "gemma3n"]
    static let textKey: String? = "text_config"

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let isMultimodal = try config.string("model_type") == "gemma3n"
        let text = isMultimodal ? try config.object("text_config") : config
        let names =
            names.base("language_model.", probe: "embed_tokens.weight")
            .base("model.language_model.", probe: "embed_tokens.weight")
            .base("model.", probe: "embed_tokens.weight")
        var shape = try Gemma.shape(
            text,
            DecoderShape.Defaults(
                hidden: 2048, layers: 35, heads: 8, keyHeads: 2, headSize: 256, width: 16384,
                activation: ("hidden_activation", "gelu_pytorch_tanh"), vocabulary: 262_400))
        let layers = try Gemma3nLayers(text, count: shape.layers)
        shape.normOffset = 0
        shape.hasOutputNorms = true
        shape.hasHeadNorms = true
        shape.hasValueNorms = true
        shape.scale = 1
        shape.logitSoftcap = try text.softcap("final_logit_softcapping", default: 30)
        shape.layerTypes = layers.types
        (shape.givesKeys, shape.takesKeys) = try layers.sharing(text)
        shape.sparsity = layers.sparsity
        try shape.setRotary(text)
        let parts = try Gemma3nParts(shape, names)
        var architecture = try shape.architecture("gemma3n", names)
        architecture.embedding = parts.embedding(architecture.embedding)
        for index in architecture.blocks.indices {
            architecture.blocks[index].node = parts.block(index, architecture.blocks[index].node)
        }
        architecture.readout = parts.readout
        return architecture
    }

    static func set(width: Int, in config: inout JSONObject) {}
    static func set(widths: [Int], of blocks: [Architecture.Block], in config: inout JSONObject) {
        config[widthKey] = .array(widths.map { .integer($0) })
    }

    static func keep(layers: [Int], of count: Int, in config: inout JSONObject) {
        let fields = JSONFields(config, name: "config.json")
        guard let old = try? Gemma3nLayers(fields, count: count) else { return }
        config["layer_types"] = .array(layers.map { .string(old.types.names[$0]) })
        config["activation_sparsity_pattern"] = .array(layers.map { .number(old.sparsity[$0]) })
        config["num_kv_shared_layers"] = .integer(layers.count { $0 >= count - old.sharedCount })
    }
}

/// What the layers of Gemma 3n have each for itself.
private struct Gemma3nLayers {
    let types: LayerTypes
    /// Share of the gates that become 0.
    let sparsity: [Double]
    /// How many of the last layers have no keys of their own.
    let sharedCount: Int

    init(_ config: JSONFields, count: Int) throws(Failure) {
        types = try LayerTypes(config, layers: count, window: config.slidingWindow(default: 512)) { index in
            (index + 1).isMultiple(of: 5) ? LayerTypes.full : LayerTypes.sliding
        }
        sharedCount = try config.integer("num_kv_shared_layers", in: 0...4096, default: 15)
        let key = "activation_sparsity_pattern"
        if config[key]?.array != nil {
            sparsity = try config.numbers(key)
        } else if let all = try config.optionalNumber(key) {
            sparsity = Array(repeating: all, count: count)
        } else {
            sparsity = (0..<count).map { count > 10 && $0 < 10 ? 0.95 : 0 }
        }
        guard sparsity.count == count else {
            throw config.failure(key, "has \(sparsity.count) entries for \(count) layers")
        }
        guard sparsity.allSatisfy({ $0 < 1 }) else { throw config.failure(key, "must be less than 1") }
    }

    /// Each of the last layers takes the keys of the last layer of its type before them.
    func sharing(_ config: JSONFields) throws(Failure) -> (gives: [Int: String], takes: [Int: String]) {
        var gives: [Int: String] = [:]
        var takes: [Int: String] = [:]
        let first = types.names.count - sharedCount
        for index in max(0, first)..<types.names.count where sharedCount > 0 {
            let type = types.names[index]
            guard let donor = types.names.prefix(max(0, first)).lastIndex(of: type) else {
                throw config.failure("num_kv_shared_layers", "leave no layer of type \(type) that has keys of its own")
            }
            gives[donor] = type
            takes[index] = type
        }
        return (gives, takes)
    }
}

/// The nodes of what other decoders do not have.
private struct Gemma3nParts {
    private let shape: DecoderShape
    private let names: TensorNames
    private let streams: Int
    private let active: Int
    private let rank: Int
    private let isScaled: Bool
    /// Elements and rows of the embeddings of each layer.
    private let size: Int
    private let vocabulary: Int

    init(_ shape: DecoderShape, _ names: TensorNames) throws(Failure) {
        let config = shape.config
        self.shape = shape
        self.names = names
        streams = try config.integer("altup_num_inputs", in: 1...16, default: 4)
        active = try config.integer("altup_active_idx", in: 0...streams - 1, default: 0)
        isScaled = try config.bool("altup_correct_scale", default: true)
        rank = try config.size("laurel_rank", default: 64)
        size = try config.size("hidden_size_per_layer_input", default: 256)
        vocabulary = try config.size("vocab_size_per_layer_input", default: 262_144)
    }

    private func linear(_ stem: String, _ outputs: Int, _ inputs: Int) -> JSON {
        names.linear(stem, outputs, inputs, bias: false)
    }

    private func projections(_ stem: String) -> JSON {
        .array((0..<streams - 1).map { linear("\(stem).\($0)", shape.hidden, shape.hidden) })
    }

    func embedding(_ tokens: JSON) -> JSON {
        ["type": "streams", "first": tokens, "projections": projections("altup_projections")]
    }

    var readout: JSON {
        [
            "type": "stream_mean", "hidden_size": .integer(shape.hidden),
            "projections": projections("altup_unembed_projections"),
        ]
    }

    /// `block`, with a learned residual beside attention, and AltUp around all.
    func block(_ index: Int, _ block: JSON) -> JSON {
        let layer = "layers.\(index)."
        var object = block.object ?? JSONObject()
        var sublayers = object["sublayers"]?.array ?? []
        if var attention = sublayers.first?.object {
            attention["channel"] = [
                "type": "laurel", "hidden_size": .integer(shape.hidden), "rank": .integer(rank),
                "left": linear(layer + "laurel.linear_left", rank, shape.hidden),
                "right": linear(layer + "laurel.linear_right", shape.hidden, rank),
                "norm": shape.norm(layer + "laurel.post_laurel_norm", shape.hidden, names),
            ]
            attention["sum_scale"] = .number(0.5.squareRoot())
            sublayers[0] = .object(attention)
        }
        object["sublayers"] = .array(sublayers)
        func matrix(_ name: String) -> JSON { ["weight": .string("\(names.prefix)\(layer)altup.\(name).weight")] }
        object["wiring"] = [
            "type": "altup", "hidden_size": .integer(shape.hidden), "streams": .integer(streams),
            "active": .integer(active), "norm": shape.norm(layer + "altup.router_norm", shape.hidden, names),
            "router": matrix("modality_router"), "prediction": matrix("prediction_coefs"),
            "correction": matrix("correction_coefs"), "token_input": tokenInput(index, layer),
        ]
        return .object(object)
    }

    private func tokenInput(_ index: Int, _ layer: String) -> JSON {
        var node = JSONObject()
        node["size"] = .integer(size)
        if isScaled { node["scale"] = .string("\(names.prefix)\(layer)altup.correct_output_scale") }
        node["gate"] = linear(layer + "per_layer_input_gate", size, shape.hidden)
        node["activation"] = .string(shape.activation)
        node["embedding"] = layerEmbedding(index)
        node["output"] = linear(layer + "per_layer_projection", shape.hidden, size)
        node["norm"] = shape.norm(layer + "post_per_layer_input_norm", shape.hidden, names)
        return .object(node)
    }

    /// The projection of the token's row is divided by the root of the hidden size, by which the row has been multiplied: neither
    /// is done.
    private func layerEmbedding(_ index: Int) -> JSON {
        let all = shape.layers * size
        var table = names.table("embed_tokens_per_layer.weight", vocabulary, all).object ?? JSONObject()
        if shape.layers > 1 { table["columns"] = [.integer(index * size), .integer(size)] }
        return [
            "tokens": names.table("embed_tokens.weight", shape.vocabulary, shape.hidden),
            "projection": names.rows(
                "per_layer_model_projection", all, shape.hidden, from: index * size, size, bias: false),
            "norm": shape.norm("per_layer_projection_norm", size, names), "table": .object(table),
            "table_scale": .number(Double(size).squareRoot()), "scale": .number(0.5.squareRoot()),
        ]
    }
}
