import NestlingBasics

/// Qwen2 and Qwen2.5 (Yang et al., arXiv 2407.10671): a Llama with biases for queries, keys and values.
enum Qwen2: Family {
    static let modelTypes = ["qwen2"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        var shape = try DecoderShape(
            config, DecoderShape.Defaults(keyHeads: 32, width: 22016, vocabulary: 151_936))
        shape.projectionBias = true
        shape.layerTypes = try layerTypes(config, layers: shape.layers)
        return try shape.architecture("qwen2", names)
    }

    /// Layers from `max_window_layers` on see a window, if windows are used at all.
    static func layerTypes(_ config: JSONFields, layers: Int) throws(Failure) -> LayerTypes {
        let first = try config.integer("max_window_layers", in: 0...Int(Int32.max), default: 28)
        let window = try config.bool("use_sliding_window", default: false) ? config.slidingWindow(default: 4096) : nil
        return try LayerTypes(config, layers: layers, window: window) { index in
            window != nil && index >= first ? LayerTypes.sliding : LayerTypes.full
        }
    }

    static func keep(layers: [Int], of count: Int, in config: inout JSONObject) {
        LayerTypes.keep(layers, in: &config) { config, count throws(Failure) in
            try layerTypes(config, layers: count)
        }
    }
}

/// Qwen3 (Yang et al., arXiv 2505.09388), the dense ones and the embedding models: Qwen2 with norms over the heads of queries and
/// keys in place of biases.
enum Qwen3: Family {
    static let modelTypes = ["qwen3"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        var shape = try DecoderShape(
            config, DecoderShape.Defaults(keyHeads: 32, headSize: 128, width: 22016, vocabulary: 151_936))
        shape.projectionBias = try config.bool("attention_bias", default: false)
        shape.outputBias = shape.projectionBias
        shape.hasHeadNorms = true
        shape.layerTypes = try Qwen2.layerTypes(config, layers: shape.layers)
        return try shape.architecture("qwen3", names)
    }

    static func keep(layers: [Int], of count: Int, in config: inout JSONObject) {
        Qwen2.keep(layers: layers, of: count, in: &config)
    }
}
