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
        /// Rising, apart from each other.
        var rows: [Range<Int>]
        var columns: Int
        /// Whether the tensor is stored as `[columns, rows]`.
        var isTransposed = false

        /// Takes `other` in as well.
        mutating func include(_ other: Piece) {
            columns = max(columns, other.columns)
            isTransposed = isTransposed || other.isTransposed
            var merged: [Range<Int>] = []
            for range in (rows + other.rows).sorted(by: { $0.lowerBound < $1.lowerBound }) {
                if let last = merged.last, range.lowerBound <= last.upperBound {
                    merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
                } else {
                    merged.append(range)
                }
            }
            rows = merged
        }

        var rowCount: Int { rows.reduce(0) { $0 + $1.count } }

        /// Kept rows before row `row` of the original.
        func position(of row: Int) -> Int { rows.reduce(0) { $0 + max(0, min(row, $1.upperBound) - $1.lowerBound) } }
    }

    /// A tensor of the submodel's checkpoint.
    struct Output {
        let name: String
        let source: Tensor
        let shape: [Int]
        /// `nil`: the whole original, as it is.
        let piece: Piece?
    }

    /// The submodel's own architecture.
    private(set) var architecture: Architecture
    /// The submodel's tensors.
    private(set) var tensors: [Output] = []

    private var cuts: [String: Piece] = [:]

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
        let newPrefixes = Self.prefixes(of: kept.layers, in: whole.blocks)
        var newNames: [String: String] = [:]
        architecture.blocks = []
        for (index, layer) in kept.layers.enumerated() {
            let old = whole.blocks[layer].prefix
            let new = newPrefixes[index]
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
                newNames[name] = rename(name, whole.blocks[owner].prefix, newPrefixes[index])
            }
        }
        for name in checkpoint.names {
            guard let tensor = checkpoint[name], let newName = newNames[name] else { continue }
            tensors.append(output(tensor, named: newName))
        }
    }

    /// What the tensors of the kept `layers` begin with: layers are counted anew in each stage.
    private static func prefixes(of layers: [Int], in blocks: [Architecture.Block]) -> [String] {
        var first = 0
        var prefixes: [String] = []
        for end in blocks.indices where blocks[end].endsStage || end == blocks.count - 1 {
            let kept = layers.filter { (first...end).contains($0) }
            prefixes += kept.indices.map { blocks[first + $0].prefix }
            first = end + 1
        }
        return prefixes
    }

    /// Takes note that a layer uses `piece` of `tensor`.
    private mutating func keep(_ piece: Piece, of tensor: String) {
        cuts[tensor, default: Piece(rows: [], columns: 0)].include(piece)
    }

    /// The node of a linear layer in the cut tensor: `node` says what the layer uses of the original.
    private func relocate(_ node: LinearNode) throws(Failure) -> LinearNode {
        guard let piece = cuts[node.weight] else {
            throw Failure(.internal, "tensor \(node.weight) is cut without row \(node.firstRow)")
        }
        var new = node
        new.rows = piece.rowCount
        new.columns = piece.columns
        new.firstRow = piece.position(of: node.firstRow)
        // All runs keep the same rows between them.
        if !node.isContiguous { new.stride = piece.position(of: node.firstRow + node.stride) - new.firstRow }
        return new
    }

    private func output(_ tensor: Tensor, named name: String) -> Output {
        let whole = Output(name: name, source: tensor, shape: tensor.shape, piece: nil)
        guard let piece = cuts[tensor.name], !tensor.shape.isEmpty else { return whole }
        let shape =
            tensor.shape.count == 1
            ? [piece.rowCount]
            : piece.isTransposed ? [piece.columns, piece.rowCount] : [piece.rowCount, piece.columns]
        if shape == tensor.shape { return whole }
        return Output(name: name, source: tensor, shape: shape, piece: piece)
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
    private let block: JSON
    private let sublayers: [JSON]
    private let width: Int
    private let heads: Int
    /// What each linear layer, and each bias, uses of its tensor.
    private(set) var pieces: [(tensor: String, piece: Extraction.Piece)] = []

    init(_ block: JSON, width: Int, heads: Int) throws(Failure) {
        self.block = block
        sublayers = block["sublayers"]?.array ?? []
        self.width = width
        self.heads = heads
        for sublayer in sublayers {
            for (kind, key, outputs, inputs) in parts(of: sublayer) {
                let node = try cut(LinearNode(sublayer[kind]?[key], path: key), outputs, inputs)
                let rows = node.rowRanges
                pieces.append(
                    (
                        node.weight,
                        Extraction.Piece(rows: rows, columns: node.inputs, isTransposed: node.isTransposed)
                    ))
                if let bias = node.bias { pieces.append((bias, Extraction.Piece(rows: rows, columns: 1))) }
            }
        }
    }

    /// The linear layers of a sublayer, by the key of its operation, with the outputs and inputs that are kept; `nil`: all.
    private func parts(of sublayer: JSON) -> [(operation: String, key: String, outputs: Int?, inputs: Int?)] {
        var parts: [(String, String, Int?, Int?)] = []
        if let mixer = sublayer["mixer"], mixer["type"]?.string == "attention" {
            let headSize = mixer["head_size"]?.int ?? 0
            let (own, keys) = attentionHeads(mixer)
            for (key, heads) in [("query", own), ("key", keys), ("value", keys)] {
                parts.append(("mixer", key, heads * headSize, nil))
            }
            parts.append(("mixer", "output", nil, own * headSize))
        }
        if let channel = sublayer["channel"] {
            for key in ["gate", "up"] where channel[key] != nil { parts.append(("channel", key, width, nil)) }
            parts.append(("channel", "down", nil, width))
        }
        return parts
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
            guard var object = sublayer.object else { throw Failure(.internal, "a sublayer is not an object") }
            var operations: [String: JSONObject] = [:]
            for kind in ["mixer", "channel"] { operations[kind] = sublayer[kind]?.object }
            for (kind, key, outputs, inputs) in parts(of: sublayer) {
                operations[kind]?[key] = try relocate(
                    cut(LinearNode(sublayer[kind]?[key], path: key), outputs, inputs)
                ).json
            }
            if var mixer = operations["mixer"] {
                let (own, keys) = attentionHeads(.object(mixer))
                if mixer["key_heads"] != nil { mixer["key_heads"] = .integer(keys) }
                mixer["heads"] = .integer(own)
                object["mixer"] = .object(mixer)
            }
            if var channel = operations["channel"] {
                channel["width"] = .integer(width)
                object["channel"] = .object(channel)
            }
            nodes.append(.object(object))
        }
        var whole = block.object ?? JSONObject()
        whole["sublayers"] = .array(nodes)
        return .object(whole)
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
