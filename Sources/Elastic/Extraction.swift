import Basics
import Checkpoints
import Models

/// The part of a checkpoint that a submodel uses: its architecture, and for each tensor which rows and columns of which
/// original tensor it is.
///
/// Layers are renumbered by renaming their tensors; parts of fused tensors (queries, keys and values in one) are cut each
/// for itself and put together again; tensors that layers share keep as much as the layer that uses most of them.
struct Extraction {
    /// Rows and leading columns of an original tensor.
    struct Piece: Equatable {
        var firstRow: Int
        var rows: Int
        var columns: Int
    }

    /// A tensor of the submodel's checkpoint.
    struct Output {
        let name: String
        let source: Tensor
        let shape: [Int]
        /// `nil`: the whole original, as it is.
        let pieces: [Piece]?
    }

    /// The submodel's own architecture.
    private(set) var architecture: Architecture
    /// The submodel's tensors.
    private(set) var tensors: [Output] = []

    private var cuts: [String: [Piece]] = [:]

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
        var newNames: [String: String] = [:]
        architecture.blocks = []
        for (index, layer) in kept.layers.enumerated() {
            let old = whole.blocks[layer].prefix
            let new = whole.blocks[index].prefix
            let node = try slicers[index].node { node throws(Failure) in try relocate(node) }
            architecture.blocks.append(
                Architecture.Block(prefix: new, node: node.renamingTensors { rename($0, old, new) }))
        }
        let checkpoint = network.weights.checkpoint
        for name in checkpoint.names {
            let owner = whole.blocks.indices.first {
                !whole.blocks[$0].prefix.isEmpty && name.hasPrefix(whole.blocks[$0].prefix)
            }
            guard let owner else {
                newNames[name] = name
                continue
            }
            if let index = kept.layers.firstIndex(of: owner) {
                newNames[name] = rename(name, whole.blocks[owner].prefix, whole.blocks[index].prefix)
            }
        }
        for name in checkpoint.names {
            guard let tensor = checkpoint[name], let newName = newNames[name] else { continue }
            tensors.append(output(tensor, named: newName))
        }
    }

    /// Takes note that a layer uses `piece` of `tensor`.
    private mutating func keep(_ piece: Piece, of tensor: String) {
        var pieces = cuts[tensor] ?? []
        if let index = pieces.firstIndex(where: { $0.firstRow == piece.firstRow }) {
            pieces[index].rows = max(pieces[index].rows, piece.rows)
            pieces[index].columns = max(pieces[index].columns, piece.columns)
        } else {
            pieces.append(piece)
        }
        cuts[tensor] = pieces.sorted { $0.firstRow < $1.firstRow }
    }

    private func columns(_ tensor: String) -> Int { cuts[tensor]?.map(\.columns).max() ?? 0 }

    /// The node of a linear layer in the cut tensor: `node` says what the layer uses of the original.
    private func relocate(_ node: LinearNode) throws(Failure) -> LinearNode {
        guard let pieces = cuts[node.weight], let index = pieces.firstIndex(where: { $0.firstRow == node.firstRow })
        else {
            throw Failure(.internal, "tensor \(node.weight) is cut without row \(node.firstRow)")
        }
        var new = node
        new.rows = pieces.reduce(0) { $0 + $1.rows }
        new.columns = columns(node.weight)
        new.firstRow = pieces[..<index].reduce(0) { $0 + $1.rows }
        return new
    }

    private func output(_ tensor: Tensor, named name: String) -> Output {
        guard let pieces = cuts[tensor.name], let rows = tensor.shape.first else {
            return Output(name: name, source: tensor, shape: tensor.shape, pieces: nil)
        }
        let newRows = pieces.reduce(0) { $0 + $1.rows }
        if tensor.shape.count == 1 {
            if newRows == rows { return Output(name: name, source: tensor, shape: tensor.shape, pieces: nil) }
            return Output(
                name: name, source: tensor, shape: [newRows],
                pieces: pieces.map { Piece(firstRow: $0.firstRow, rows: $0.rows, columns: 1) })
        }
        let newColumns = columns(tensor.name)
        if [newRows, newColumns] == tensor.shape {
            return Output(name: name, source: tensor, shape: tensor.shape, pieces: nil)
        }
        return Output(
            name: name, source: tensor, shape: [newRows, newColumns],
            pieces: pieces.map { Piece(firstRow: $0.firstRow, rows: $0.rows, columns: newColumns) })
    }
}

private func rename(_ name: String, _ old: String, _ new: String) -> String {
    !old.isEmpty && name.hasPrefix(old) ? new + name.dropFirst(old.count) : name
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

/// What a block of given width and heads uses of its tensors, and its node.
private struct BlockSlicer {
    private let sublayers: [JSON]
    private let width: Int
    private let heads: Int
    /// What each linear layer, and each bias, uses of its tensor.
    private(set) var pieces: [(tensor: String, piece: Extraction.Piece)] = []

    init(_ block: JSON, width: Int, heads: Int) throws(Failure) {
        sublayers = block["sublayers"]?.array ?? []
        self.width = width
        self.heads = heads
        for sublayer in sublayers {
            for (key, outputs, inputs) in parts(of: sublayer) {
                guard let operation = sublayer["mixer"] ?? sublayer["channel"] else { continue }
                let node = try cut(LinearNode(operation[key], path: key), outputs, inputs)
                pieces.append(
                    (node.weight, Extraction.Piece(firstRow: node.firstRow, rows: node.outputs, columns: node.inputs)))
                if let bias = node.bias {
                    pieces.append((bias, Extraction.Piece(firstRow: node.firstRow, rows: node.outputs, columns: 1)))
                }
            }
        }
    }

    /// The linear layers of a sublayer, with the outputs and inputs that are kept; `nil`: all.
    private func parts(of sublayer: JSON) -> [(key: String, outputs: Int?, inputs: Int?)] {
        if let mixer = sublayer["mixer"], mixer["type"]?.string == "attention" {
            let headSize = mixer["head_size"]?.int ?? 0
            let (own, keys) = attentionHeads(mixer)
            return [
                ("query", own * headSize, nil), ("key", keys * headSize, nil), ("value", keys * headSize, nil),
                ("output", nil, own * headSize),
            ]
        }
        guard let channel = sublayer["channel"] else { return [] }
        let inner = ["gate", "up"].filter { channel[$0] != nil }.map { ($0, Int?.some(width), Int?.none) }
        return inner + [("down", nil, width)]
    }

    private func attentionHeads(_ mixer: JSON) -> (own: Int, keys: Int) {
        let all = mixer["heads"]?.int ?? 1
        let group = max(1, all / max(1, mixer["key_heads"]?.int ?? all))
        let keys = (min(heads, all) + group - 1) / group
        return (keys * group, keys)
    }

    private func cut(_ node: LinearNode, _ outputs: Int?, _ inputs: Int?) -> LinearNode {
        var node = node
        node.outputs = min(outputs ?? node.outputs, node.outputs)
        node.inputs = min(inputs ?? node.inputs, node.inputs)
        return node
    }

    /// The block's node, whose linear layers `relocate` places in the cut tensors.
    func node(_ relocate: (LinearNode) throws(Failure) -> LinearNode) throws(Failure) -> JSON {
        var nodes: [JSON] = []
        for sublayer in sublayers {
            let isMixer = sublayer["mixer"] != nil
            guard var object = sublayer.object, var operation = (sublayer["mixer"] ?? sublayer["channel"])?.object
            else {
                throw Failure(.internal, "a sublayer has neither mixer nor channel")
            }
            for (key, outputs, inputs) in parts(of: sublayer) {
                operation[key] = try relocate(cut(LinearNode(operation[key], path: key), outputs, inputs)).json
            }
            if isMixer {
                let (own, keys) = attentionHeads(.object(operation))
                if operation["key_heads"] != nil { operation["key_heads"] = .integer(keys) }
                operation["heads"] = .integer(own)
                object["mixer"] = .object(operation)
            } else {
                operation["width"] = .integer(width)
                object["channel"] = .object(operation)
            }
            nodes.append(.object(object))
        }
        return ["sublayers": .array(nodes)]
    }
}

extension JSON {
    /// The same node with other names of tensors.
    fileprivate func renamingTensors(_ rename: (String) -> String) -> JSON {
        switch self {
        case .array(let elements): return .array(elements.map { $0.renamingTensors(rename) })
        case .object(let object):
            var renamed = JSONObject()
            for (key, value) in object.members {
                if ["weight", "bias", "scale"].contains(key), let name = value.string {
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
