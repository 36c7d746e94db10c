import NestlingBlocks
import NestlingModels
import NestlingTensors

/// What generating one token takes of a model: each step reads these weights once, however many texts it serves.
public struct GenerationWork: Sendable {
    /// Weights that a token is multiplied by, head included; rows of embedding tables are not.
    public let weights: Int
    /// Those of the head.
    public let headWeights: Int
    /// Bytes of all of them.
    public let weightBytes: Int
}

extension Model {
    /// What generating one token takes.
    public var generation: GenerationWork {
        let blocks = network.blocks.reduce(0) { $0 + $1.parameters }
        let architecture = network.weights.architecture
        let head = architecture.heads[.causalLM] == nil ? 0 : vocabularySize * network.hiddenSize
        let precision = network.weights.precision
        let finer = head + network.blocks.reduce(0) { $0 + $1.valueWeights }
        let bytes =
            Double(blocks + head - finer) * precision.codec.bytesPerWeight
            + Double(finer) * precision.finerCodec.bytesPerWeight
        return GenerationWork(weights: blocks + head, headWeights: head, weightBytes: Int(bytes))
    }
}

extension Block {
    /// Those that make the values of attention.
    fileprivate var valueWeights: Int {
        sublayers.reduce(0) { sum, sublayer in
            guard case .mixer(let mixer) = sublayer.operation, let kept = mixer.cacheLayer else { return sum }
            if case .takes = mixer.sharing { return sum }
            return sum + kept.keyHeads * kept.headSize * sublayerSize
        }
    }
}
