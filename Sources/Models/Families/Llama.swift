import NestlingBasics

/// Llama 2 and 3 (Touvron et al., arXiv 2307.09288; Grattafiori et al., arXiv 2407.21783).
enum Llama: Family {
    static let modelTypes = ["llama"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        var shape = try DecoderShape(config, DecoderShape.Defaults(width: 11008, vocabulary: 32000))
        shape.projectionBias = try config.bool("attention_bias", default: false)
        shape.outputBias = shape.projectionBias
        shape.mlpBias = try config.bool("mlp_bias", default: false)
        return try shape.architecture("llama", names)
    }
}

/// Mistral (Jiang et al., arXiv 2310.06825): a Llama whose tokens see a window.
enum Mistral: Family {
    static let modelTypes = ["mistral"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        var shape = try DecoderShape(
            config, DecoderShape.Defaults(keyHeads: 8, width: 14336, vocabulary: 32000))
        shape.layerTypes = LayerTypes(all: shape.layers, window: try config.slidingWindow(default: 4096))
        return try shape.architecture("mistral", names)
    }
}
