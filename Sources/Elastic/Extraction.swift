import NestlingBasics
import NestlingCheckpoints
import NestlingModels

/// The part of a checkpoint that a submodel uses: its architecture, and for each tensor which rows and columns of which
/// original tensor it is.
///
/// Layers are renumbered by renaming their tensors; parts of fused tensors (queries, keys and values in one) are cut each
/// for itself and put together again; tensors that layers share keep as much as the layer that uses most of them.
struct Extraction {
    /// A tensor of the submodel's checkpoint.
    struct Output {
        let name: String
        let source: Tensor
        let shape: [Int]
        /// `nil`: the whole original, as it is.
        let piece: TensorPiece?
    }

    /// The submodel's own architecture.
    private(set) var architecture: Architecture
    /// The submodel's tensors.
    private(set) var tensors: [Output] = []

    private var cuts: [String: TensorPiece] = [:]

    init(_ network: Network) throws(Failure) {
        let whole = network.weights.architecture
        let kept = network.kept
        architecture = whole
        // First what every layer keeps of every tensor, then the nodes that say so, once all is known.
        var slicers: [BlockSlicer] = []
        for (index, layer) in kept.layers.enumerated() {
            let slicer = try BlockSlicer(whole.blocks[layer].node, width: kept.widths[index], heads: kept.heads[index])
            for (tensor, piece) in slicer.pieces { keep(piece, of: tensor) }
            slicers.append(slicer)
        }
        let checkpoint = network.weights.checkpoint
        for name in Self.usedWhole(whole, kept.layers) {
            if let tensor = checkpoint[name], let cut = cuts[name] { cuts[name] = cut.widened(to: tensor.shape) }
        }
        keepTogether(kept.layers.flatMap { whole.blocks[$0].node.vectorsOfLinears })
        let names = TensorRenaming(whole, kept.layers, checkpoint.names)
        architecture.blocks = []
        for index in kept.layers.indices {
            let node = try slicers[index].node { node throws(Failure) in try relocate(node) }
            architecture.blocks.append(
                Architecture.Block(
                    prefix: names.prefixes[index], node: node.renamingTensors { names.name($0, inLayer: index) }))
        }
        architecture.forgetUnusedKeys()
        for name in checkpoint.names {
            guard let tensor = checkpoint[name], let newName = names.kept[name] else { continue }
            tensors.append(output(tensor, named: newName))
        }
    }

    /// The names of tensors that the network uses elsewhere than in linear layers of blocks, or of which a block's norm, say,
    /// uses all: what is cut of them for a layer must not be missing there.
    private static func usedWhole(_ whole: Architecture, _ layers: [Int]) -> Set<String> {
        var names = whole.tensorNamesBesideBlocks
        for layer in layers {
            whole.blocks[layer].node.forEachTensor { name, isOfMatrix in if !isOfMatrix { names.insert(name) } }
        }
        return names
    }

    /// Takes note that a layer uses `piece` of `tensor`.
    private mutating func keep(_ piece: TensorPiece, of tensor: String) {
        cuts[tensor, default: TensorPiece()].include(piece)
    }

    /// Keeps the same rows of all tensors of a group: those of a linear layer, which may share some of them with others.
    private mutating func keepTogether(_ groups: [[String]]) {
        var isDone = false
        while !isDone {
            isDone = true
            for group in groups where group.allSatisfy({ cuts[$0] != nil }) {
                var all = TensorPiece()
                for name in group { all.include(TensorPiece(rows: cuts[name]?.rows ?? [])) }
                for name in group where cuts[name]?.rows != all.rows {
                    cuts[name]?.rows = all.rows
                    isDone = false
                }
            }
        }
    }

    /// The node of a linear layer in the cut tensor: `node` says what the layer uses of the original.
    private func relocate(_ node: LinearNode) throws(Failure) -> LinearNode {
        guard let piece = cuts[node.weight] else {
            throw Failure(.internal, "tensor \(node.weight) is cut without row \(node.firstRow)")
        }
        return piece.relocated(node)
    }

    private func output(_ tensor: Tensor, named name: String) -> Output {
        let whole = Output(name: name, source: tensor, shape: tensor.shape, piece: nil)
        guard let piece = cuts[tensor.name], !tensor.shape.isEmpty else { return whole }
        let shape = piece.shape(of: tensor)
        if shape == tensor.shape || piece == piece.widened(to: tensor.shape) { return whole }
        return Output(name: name, source: tensor, shape: shape, piece: piece)
    }
}

extension Network {
    /// The architecture of what this network uses, over the tensors of the whole checkpoint.
    func architectureInPlace() throws(Failure) -> Architecture {
        var architecture = weights.architecture
        architecture.blocks = []
        for (index, layer) in kept.layers.enumerated() {
            let block = weights.architecture.blocks[layer]
            let slicer = try BlockSlicer(block.node, width: kept.widths[index], heads: kept.heads[index])
            architecture.blocks.append(Architecture.Block(prefix: block.prefix, node: try slicer.node { $0 }))
        }
        return architecture
    }
}

extension Architecture {
    /// Layers whose keys no layer takes any more do not say that they give them.
    fileprivate mutating func forgetUnusedKeys() {
        func names(_ key: String, _ block: Block) -> [String] {
            (block.node["sublayers"]?.array ?? []).compactMap { $0["mixer"]?[key]?.string }
        }
        let taken = Set(blocks.flatMap { names("takes_keys", $0) })
        for index in blocks.indices where names("gives_keys", blocks[index]).contains(where: { !taken.contains($0) }) {
            let sublayers = (blocks[index].node["sublayers"]?.array ?? []).map { sublayer in
                guard let mixer = sublayer["mixer"], let name = mixer["gives_keys"]?.string, !taken.contains(name)
                else { return sublayer }
                return sublayer.setting("mixer", to: mixer.setting("gives_keys", to: nil))
            }
            blocks[index].node = blocks[index].node.setting("sublayers", to: .array(sublayers))
        }
    }
}

extension JSON {
    /// The same node with other names of tensors.
    func renamingTensors(_ rename: (String) -> String) -> JSON {
        switch self {
        case .array(let elements): return .array(elements.map { $0.renamingTensors(rename) })
        case .object(let object):
            var renamed = JSONObject()
            for (key, value) in object.members {
                if JSON.tensorKeys.contains(key), let name = value.string {
                    renamed[key] = .string(rename(name))
                } else {
                    renamed[key] = value.renamingTensors(rename)
                }
            }
            return .object(renamed)
        default: return self
        }
    }
}
