import NestlingBasics
import NestlingCheckpoints
import NestlingModels
import NestlingTensors

/// What becomes of each tensor when a network is saved in packed form, and the architecture that names the results.
///
/// Every linear layer becomes a tensor of its own, also where layers were fused in one; layers that share weights go on to
/// share them.
struct PackingPlan {
    /// A linear layer of the original, how much of it is used, and the codec that it is packed in.
    struct Packed {
        let name: String
        /// With all outputs and inputs: a panel's bytes may depend on all that is in it.
        var whole: LinearNode
        var source: LinearNode
        let role: Precision.Role
        let codec: Codec
    }

    /// A vector, or part of one; or a table.
    struct Copy {
        let name: String
        let source: Tensor
        /// What is copied of it; `nil`: all.
        var piece: TensorPiece?
        let shape: [Int]
        let type: ElementType
    }

    private(set) var architecture: Architecture
    private(set) var linears: [Packed] = []
    /// Wide types first.
    private(set) var copies: [Copy] = []
    private let precision: Precision

    init(_ network: Network, _ precision: Precision) throws(Failure) {
        self.precision = precision
        let checkpoint = network.weights.checkpoint
        let original = try network.architectureInPlace()
        architecture = original
        var wholes: [String: LinearNode] = [:]
        try network.weights.architecture.forEachLinear { node, _ throws(Failure) in
            let key = "\(node.weight) \(node.firstRow)"
            if node.outputs >= wholes[key]?.outputs ?? 0 { wholes[key] = node }
        }
        // First how much of each tensor is used, then the nodes that say so.
        try original.forEachLinear { node, role throws(Failure) in note(node, role) }
        for index in linears.indices {
            let source = linears[index].source
            if let whole = wholes["\(source.weight) \(source.firstRow)"] { linears[index].whole = whole }
            let columns = linears[index].whole.columns
            linears[index].whole.inputs = columns
            linears[index].source.inputs = linears[index].codec.cuttableInputs(source.inputs, of: columns)
        }
        architecture = try original.mappingLinears { node, role throws(Failure) in relocated(node, role) }
        let cuts = try architecture.cutLayerTables()

        var weights: Set<String> = []
        var vectors: [String: Copy] = [:]
        try original.forEachLinear { node, role throws(Failure) in
            weights.insert(node.weight)
            let new = relocated(node, role)
            for (old, name) in [(node.bias, new.bias), (node.scale, new.scale)] {
                guard let old, let name, let tensor = checkpoint[old] else { continue }
                weights.insert(old)
                vectors[name] = Copy(
                    name: name, source: tensor, piece: TensorPiece(rows: part(node, role).rowRanges, columns: 1),
                    shape: [new.rows], type: tensor.plainType)
            }
        }
        // A norm's weight, say, may be some layer's bias, too.
        var ownVectors: Set<String> = []
        for part in original.partsBesideBlocks + original.blocks.map(\.node) {
            part.forEachTensor { name, isOfMatrix in if !isOfMatrix { ownVectors.insert(name) } }
        }
        let tables = original.tables
        for tensor in try original.tensors(in: checkpoint) {
            if tables.contains(tensor.name) {
                let type = try precision.tableType(of: tensor.matrix())
                copies.append(
                    Copy(
                        name: tensor.name, source: tensor, shape: tensor.shape,
                        type: type == nil ? tensor.plainType : .bfloat16))
            } else if !weights.contains(tensor.name)
                || (ownVectors.contains(tensor.name) && vectors[tensor.name] == nil)
            {
                let piece = cuts[tensor.name]
                copies.append(
                    Copy(
                        name: tensor.name, source: tensor, piece: piece,
                        shape: piece?.shape(of: tensor) ?? tensor.shape, type: tensor.plainType))
            }
        }
        copies += vectors.values.sorted { $0.name < $1.name }
        copies.sort { $0.type.bitCount > $1.type.bitCount }
    }

    private func codec(of node: LinearNode, _ role: Precision.Role) -> Codec {
        node.codec ?? precision.codec(of: node, role)
    }

    private func name(of node: LinearNode, _ role: Precision.Role) -> String {
        if node.codec != nil { return node.weight }
        return "\(node.weight).\(codec(of: node, role).rawValue)" + (node.firstRow == 0 ? "" : ".\(node.firstRow)")
    }

    private mutating func note(_ node: LinearNode, _ role: Precision.Role) {
        let name = name(of: node, role)
        guard let index = linears.firstIndex(where: { $0.name == name }) else {
            linears.append(Packed(name: name, whole: node, source: node, role: role, codec: codec(of: node, role)))
            return
        }
        linears[index].source.outputs = max(linears[index].source.outputs, node.outputs)
        linears[index].source.inputs = max(linears[index].source.inputs, node.inputs)
    }

    /// The part of a tensor that is packed for `node`.
    private func part(_ node: LinearNode, _ role: Precision.Role) -> LinearNode {
        let name = name(of: node, role)
        return linears.first { $0.name == name }?.source ?? node
    }

    /// The node of a linear layer in its packed tensor.
    private func relocated(_ node: LinearNode, _ role: Precision.Role) -> LinearNode {
        let name = name(of: node, role)
        let whole = part(node, role)
        let isWhole = node.firstRow == 0 && whole.outputs == node.rows
        func named(_ vector: String) -> String { isWhole ? vector : "\(vector).\(node.firstRow)" }
        return LinearNode(
            weight: name, bias: node.bias.map(named), rows: whole.outputs,
            columns: whole.inputs, outputs: node.outputs, inputs: node.inputs, codec: codec(of: node, role),
            scale: node.scale.map(named), innerShape: whole.inputs == node.columns ? node.innerShape : nil)
    }
}

extension Architecture {
    /// The names of the tensors that are tables, but for those that stay as they are stored.
    fileprivate var tables: Set<String> {
        let tokens = embedding["first"] ?? embedding
        guard tokens["type"]?.string ?? "tokens" == "tokens" else { return [] }
        return Set(["tokens", "positions", "token_types"].compactMap { tokens[$0]?["weight"]?.string })
    }

    /// Leaves columns out that no layer uses of tables in which layers have columns of their own. Gives what is left of each.
    fileprivate mutating func cutLayerTables() throws(Failure) -> [String: TensorPiece] {
        var cuts: [String: TensorPiece] = [:]
        for block in blocks {
            _ = try LayerTable.changing(in: block.node) { node in
                let piece = TensorPiece(rows: node.rowRanges, columns: node.columns, isTransposed: true)
                cuts[node.weight, default: TensorPiece()].include(piece)
                return node
            }
        }
        for index in blocks.indices {
            blocks[index].node = try LayerTable.changing(in: blocks[index].node) {
                cuts[$0.weight]?.relocated($0) ?? $0
            }
        }
        return cuts
    }

    fileprivate func forEachLinear(
        _ visit: (LinearNode, Precision.Role) throws(Failure) -> Void
    ) throws(Failure) {
        _ = try mappingLinears { node, role throws(Failure) in
            try visit(node, role)
            return node
        }
    }

    /// The same architecture with other linear layers.
    fileprivate func mappingLinears(
        _ change: (LinearNode, Precision.Role) throws(Failure) -> LinearNode
    ) throws(Failure) -> Architecture {
        var changed = self
        func mapped(_ node: JSON, _ role: Precision.Role) throws(Failure) -> JSON {
            try node.mappingLinears(role, change)
        }
        for key in ["first", "projection", "projections", "patches"] {
            guard var object = changed.embedding.object, let layer = object[key] else { continue }
            object[key] = try mapped(layer, Precision.Role.block.ofLayer(key))
            changed.embedding = .object(object)
        }
        for index in blocks.indices { changed.blocks[index].node = try mapped(blocks[index].node, .block) }
        changed.readout = try mapped(readout, .block)
        changed.pooler = try mapped(pooler, .exact)
        for (kind, head) in heads { changed.heads[kind] = try mapped(head, .head) }
        return changed
    }
}

extension JSON {
    /// What has a weight and a shape, too, under these keys is a table.
    private static let tableKeys: Set<String> = ["tokens", "positions", "token_types", "table"]

    /// The same node, in which every linear layer (what has a weight and a shape) is another.
    fileprivate func mappingLinears(
        _ role: Precision.Role, _ change: (LinearNode, Precision.Role) throws(Failure) -> LinearNode
    ) throws(Failure) -> JSON {
        switch self {
        case .array(let elements):
            var mapped: [JSON] = []
            for element in elements { mapped.append(try element.mappingLinears(role, change)) }
            return .array(mapped)
        case .object(let object):
            if object["weight"] != nil, object["shape"] != nil {
                return try change(LinearNode(self, path: "architecture"), role).json
            }
            var mapped = JSONObject()
            for (key, value) in object.members {
                let isTable = JSON.tableKeys.contains(key) && value.object != nil
                mapped[key] = isTable ? value : try value.mappingLinears(role.ofLayer(key), change)
            }
            return .object(mapped)
        default: return self
        }
    }
}
