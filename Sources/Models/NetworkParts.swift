import NestlingBasics
import NestlingBlocks

/// The parts of a network, built from its architecture out of some source of weights.
struct NetworkParts {
    let embedding: any Embedding
    let blocks: [Block]
    let readout: (any Readout)?
    let finalNorm: (any Norm)?

    init(_ architecture: Architecture, _ weights: any WeightSource) throws(Failure) {
        guard let node = architecture.embedding.object else {
            throw Failure(.corrupt, "architecture: embedding is missing")
        }
        embedding = try Registry.build(
            Registry.embeddings, JSONFields(node, name: "embedding"), weights, kind: "embedding", default: "tokens")
        var hiddenSize = embedding.hiddenSize
        readout = try JSONFields(["readout": architecture.readout] as JSON, name: "architecture")
            .optionalObject("readout").map { node throws(Failure) in
                try Registry.build(Registry.readouts, node, weights, kind: "readout")
            }
        guard
            hiddenSize == readout?.streamSize ?? architecture.hiddenSize
                || architecture.blocks.contains(where: \.endsStage)
        else {
            throw Failure(
                .corrupt,
                "architecture: the embedding gives \(hiddenSize) elements, hidden_size is \(architecture.hiddenSize)")
        }
        var blocks: [Block] = []
        for (index, block) in architecture.blocks.enumerated() {
            let fields = JSONFields(block.node.object ?? JSONObject(), name: "blocks[\(index)]")
            let block = try Block(fields, hiddenSize: hiddenSize, weights)
            guard !block.needsGrid || embedding.image?.prefixTokens == 0 else {
                throw Failure(
                    .unsupported, "\(fields.name): windows and downsampling need rows that are the patches of an image")
            }
            guard embedding.image == nil || (block.wiring == nil && block.sharings.isEmpty) else {
                throw Failure(
                    .unsupported, "\(fields.name): a wiring, and keys that are shared, need rows that are tokens")
            }
            blocks.append(block)
            hiddenSize = block.outputSize
        }
        guard hiddenSize == readout?.streamSize ?? architecture.hiddenSize,
            readout == nil || readout?.hiddenSize == architecture.hiddenSize
        else {
            throw Failure(
                .corrupt,
                "architecture: the last block gives \(hiddenSize) elements, hidden_size is \(architecture.hiddenSize)")
        }
        try NetworkParts.checkSharedKeys(blocks)
        self.blocks = blocks
        finalNorm = try JSONFields(["norm": architecture.finalNorm] as JSON, name: "final_norm").norm("norm", weights)
        if let finalNorm, finalNorm.size != architecture.hiddenSize {
            throw Failure(
                .corrupt,
                "architecture: final_norm has size \(finalNorm.size), hidden_size is \(architecture.hiddenSize)")
        }
    }

    /// Makes sure that the keys and values that layers take have been given, as they need them.
    static func checkSharedKeys(_ blocks: [Block]) throws(Failure) {
        var given: [String: CacheLayout.Layer] = [:]
        for (index, block) in blocks.enumerated() {
            for case .mixer(let mixer) in block.sublayers.map(\.operation) {
                guard let kept = mixer.cacheLayer else { continue }
                switch mixer.sharing {
                case .gives(let name): given[name] = kept
                case .takes(let name):
                    guard let found = given[name] else {
                        throw Failure(
                            .corrupt, "blocks[\(index)]: takes the keys \(name.quoted), which no block before gives")
                    }
                    guard found.headSize == kept.headSize, found.keyHeads >= kept.keyHeads else {
                        throw Failure(
                            .corrupt,
                            "blocks[\(index)]: takes \(kept.keyHeads) keys of \(kept.headSize) elements, \(name.quoted) are \(found.keyHeads) of \(found.headSize)"
                        )
                    }
                case nil: break
                }
            }
        }
    }

    /// What makes vectors of hidden states, if the family has its own.
    static func pooler(_ architecture: Architecture, _ weights: any WeightSource) throws(Failure) -> Head? {
        guard let node = architecture.pooler.object else { return nil }
        return try Head(
            JSONFields(node, name: "pooler"), hiddenSize: architecture.hiddenSize, weights, givesScores: false)
    }

    func head(_ kind: HeadKind, _ architecture: Architecture, _ weights: any WeightSource) throws(Failure) -> Head {
        guard let node = architecture.heads[kind]?.object else {
            throw Failure(.corrupt, "architecture: head \(kind.name) is not an object")
        }
        return try Head(JSONFields(node, name: "heads.\(kind.name)"), hiddenSize: architecture.hiddenSize, weights)
    }
}
