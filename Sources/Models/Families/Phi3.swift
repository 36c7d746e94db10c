import NestlingBasics

/// Phi-3 and Phi-4 (Abdin et al., arXiv 2404.14219): a Llama with fused tensors, of whose heads a part may be rotated.
enum Phi3: Family {
    static let modelTypes = ["phi3"]

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        var shape = try DecoderShape(
            config, DecoderShape.Defaults(hidden: 3072, width: 8192, epsilon: 1e-5, vocabulary: 32064))
        shape.isFused = true
        shape.layerTypes = LayerTypes(all: shape.layers, window: try config.slidingWindow(default: nil))
        let rotary = try RotaryConfig(config, originalTokens: 4096, aliases: ["su": "longrope", "yarn": "longrope"])
        let feature = try rotary.feature(headSize: shape.headSize, mayBePartial: true)
        shape.rotary = [LayerTypes.full: feature, LayerTypes.sliding: feature]
        return try shape.architecture("phi3", names)
    }
}
