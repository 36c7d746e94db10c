import Blocks
import Models
import Tensors

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
        // Vocabularies get 8 bits where blocks have 4 (Precision).
        let headCodec: Codec = dtype == .int4 ? .int8 : dtype
        let bytes = Double(blocks) * dtype.bytesPerWeight + Double(head) * headCodec.bytesPerWeight
        return GenerationWork(weights: blocks + head, headWeights: head, weightBytes: Int(bytes))
    }
}
