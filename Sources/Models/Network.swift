public import NestlingBasics
public import NestlingBlocks
public import NestlingCheckpoints
import Synchronization
import NestlingTensors

/// The weights of one checkpoint, packed once and shared by all submodels, and everything else that they have in common.
/// Immutable after loading, but for heads, which are packed when they are first asked for.
public final class NetworkWeights: Sendable {
    /// The checkpoint, for heads and for saving.
    public let checkpoint: Checkpoint
    /// `config.json`, as it was read.
    public let config: JSONObject
    /// The whole network.
    public let architecture: Architecture
    /// In what the weights are kept.
    public let precision: Precision
    /// Whether they lie packed in the checkpoint.
    public let isPacked: Bool
    /// Token ids or images to hidden states.
    public let embedding: any Embedding
    /// All blocks, whole.
    public let blocks: [Block]
    /// What makes hidden states of the last block's rows, where these hold several streams.
    public let readout: (any Readout)?
    /// Applied after the last block, and the readout.
    public let finalNorm: (any Norm)?
    /// From hidden states to sentence vectors.
    public let pipeline: SentencePipeline
    /// How vectors are scored with those of the checkpoint's other tower.
    public let jointSimilarity: JointSimilarity?
    /// Bytes of the weights.
    public let storageBytes: Int
    /// Scores in each row of the heads that the checkpoint carries.
    public let headOutputs: [HeadKind: Int]
    private let heads = Mutex<[HeadKind: Head]>([:])

    init(
        _ description: CheckpointDescription, _ precision: Precision, progress: LoadProgress
    ) throws(Failure) {
        let (checkpoint, architecture) = (description.checkpoint, description.architecture)
        let weights = CheckpointWeights(checkpoint, precision: precision, progress: progress)
        let parts = try NetworkParts(architecture, weights)
        // A head that is damaged should be known now, though it is packed only when it is used.
        var headOutputs: [HeadKind: Int] = [:]
        for kind in architecture.heads.keys {
            headOutputs[kind] = try parts.head(kind, architecture, CheckedWeights(checkpoint)).outputs
        }
        self.headOutputs = headOutputs
        let exact = CheckpointWeights(checkpoint, precision: precision, role: .exact, progress: progress)
        let pooler = try NetworkParts.pooler(architecture, exact)
        jointSimilarity = try NetworkParts.jointSimilarity(architecture, exact)
        pipeline = try SentencePipeline(description.sentence, hiddenSize: architecture.hiddenSize, pooler) {
            folder throws(Failure) in
            CheckpointWeights(
                try Checkpoint(source: checkpoint.source, folder: folder), precision: Precision(.float32),
                progress: progress)
        }
        self.checkpoint = checkpoint
        self.precision = precision
        isPacked = description.settings.codec != nil
        config = description.config
        self.architecture = architecture
        embedding = parts.embedding
        blocks = parts.blocks
        readout = parts.readout
        finalNorm = parts.finalNorm
        storageBytes = weights.storageBytes + exact.storageBytes
        try progress.finish()
    }

    /// The head `kind`; packs its weights when it is first asked for.
    public func head(_ kind: HeadKind) throws(Failure) -> Head {
        guard let node = architecture.heads[kind]?.object else {
            let carried = HeadKind.allCases.filter { architecture.heads[$0] != nil }.map(\.name)
            throw Failure(
                .notFound,
                "the checkpoint has no head \(kind.name); it has \(carried.isEmpty ? "none" : carried.joined(separator: ", "))"
            )
        }
        return try heads.withLock { heads throws(Failure) in
            if let head = heads[kind] { return head }
            let weights = CheckpointWeights(
                checkpoint, precision: precision, role: .head, progress: LoadProgress(nil, total: 0))
            let head = try Head(
                JSONFields(node, name: "heads.\(kind.name)"), hiddenSize: architecture.hiddenSize, weights)
            heads[kind] = head
            return head
        }
    }
}

/// A network that can be run: the shared weights, and which part of them it uses. Immutable; any number of threads may use
/// one at once.
public final class Network: Sendable {
    /// What the network shares with all others cut from the same checkpoint.
    public let weights: NetworkWeights
    /// What it uses of them.
    public let kept: KeptParts
    /// The blocks in use, cut to their widths.
    public let blocks: [Block]
    /// The keys that they share, by name, and the elements of a row of them.
    let sharedKeys: [String: Int]

    /// The part `kept` of `weights`. Copies no weights.
    public init(_ weights: NetworkWeights, keeping kept: KeptParts) {
        self.weights = weights
        self.kept = kept
        blocks = kept.layers.indices.map { index in
            let block = weights.blocks[kept.layers[index]]
            return block.width == kept.widths[index] && block.heads == kept.heads[index]
                ? block : block.keeping(heads: kept.heads[index], width: kept.widths[index])
        }
        sharedKeys = Network.sharedKeys(blocks)
    }

    /// All of `weights`.
    public convenience init(_ weights: NetworkWeights) {
        self.init(weights, keeping: KeptParts(all: weights.blocks, outputDimensions: weights.pipeline.dimensions))
    }

    /// Elements of a hidden state, the last one.
    public var hiddenSize: Int { weights.architecture.hiddenSize }

    /// Elements of a hidden state after `layer` blocks; those of all streams, where there are several, but for the last one.
    public func hiddenSize(after layer: Int) -> Int {
        layer == blocks.count ? hiddenSize : layer == 0 ? streamSize : blocks[layer - 1].outputSize
    }

    /// Elements of the embedding's rows.
    public var streamSize: Int { weights.embedding.hiddenSize }

    /// The keys that `blocks` share, by name, and the elements of a row of them.
    private static func sharedKeys(_ blocks: [Block]) -> [String: Int] {
        var sizes: [String: Int] = [:]
        for case .mixer(let mixer) in blocks.flatMap(\.sublayers).map(\.operation) {
            guard case .gives(let name) = mixer.sharing, let kept = mixer.cacheLayer else { continue }
            sizes[name] = max(sizes[name] ?? 0, kept.keyHeads * kept.headSize)
        }
        return sizes
    }

    /// What becomes of an image's patches in `layer` blocks.
    func grid(_ grid: PatchGrid, after layer: Int) -> PatchGrid {
        blocks.prefix(layer).reduce(grid) { $1.downsampling?.grid(after: $0) ?? $0 }
    }

    /// Makes sure that the tokens of a run can be reduced.
    func checkReducible() throws(Failure) {
        guard blocks.contains(where: { !$0.isReducible }) else { return }
        guard blocks.contains(where: \.needsGrid) else {
            throw Failure(
                .unsupported,
                "the tokens of a \(weights.architecture.family) model cannot be reduced: its layers share keys, or look at tokens' ids"
            )
        }
        throw Failure(
            .unsupported,
            "the tokens of a \(weights.architecture.family) model cannot be reduced: its windows and patch mergings need all patches of an image"
        )
    }

    /// What the network computes, heads not counted.
    public var outline: NetworkOutline {
        var outline = NetworkOutline(blocks, embedding: weights.embedding, readout: weights.readout)
        outline.vector = Double(weights.pipeline.multiplyAdds)
        outline.tokensRead = weights.pipeline.tokensRead(VectorOptions())
        return outline
    }

    /// Learned numbers in use, heads not counted; those of layers that share all of their weights (ALBERT) count once.
    public var parameters: Int {
        var byNames: [[String]: Int] = [:]
        for (block, layer) in zip(blocks, kept.layers) {
            let names = weights.architecture.blocks[layer].node.tensorNames
            byNames[names] = max(byNames[names] ?? 0, block.parameters)
        }
        return weights.embedding.parameters + byNames.values.reduce(0, +)
            + (weights.readout?.parameters ?? 0) + (weights.finalNorm?.parameters ?? 0) + weights.pipeline.parameters
    }
}

/// Which part of the shared weights a network uses.
public struct KeptParts: Sendable, Equatable {
    /// Indices of the blocks in use, rising.
    public var layers: [Int]
    /// FFN width of each block in use.
    public var widths: [Int]
    /// Heads of each block in use.
    public var heads: [Int]
    /// Leading dimensions of sentence vectors in use.
    public var outputDimensions: Int

    /// All of `blocks`.
    public init(all blocks: [Block], outputDimensions: Int) {
        layers = Array(blocks.indices)
        widths = blocks.map(\.width)
        heads = blocks.map(\.heads)
        self.outputDimensions = outputDimensions
    }

    /// Keeps only the blocks at `positions` among those in use.
    public mutating func keep(layers positions: [Int]) {
        (layers, widths, heads) = (
            positions.map { layers[$0] }, positions.map { widths[$0] }, positions.map { heads[$0] }
        )
    }
}
