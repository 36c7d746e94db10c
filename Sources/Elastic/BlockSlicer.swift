import NestlingBasics
import NestlingModels

/// What a block of given width and heads uses of its tensors, and its node.
struct BlockSlicer {
    private let block: JSON
    private let sublayers: [JSON]
    private let width: Int
    private let heads: Int
    /// What each linear layer, and each bias, uses of its tensor.
    private(set) var pieces: [(tensor: String, piece: TensorPiece)] = []

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
                        TensorPiece(rows: rows, columns: node.inputs, isTransposed: node.isTransposed)
                    ))
                for vector in node.vectors { pieces.append((vector, TensorPiece(rows: rows, columns: 1))) }
            }
        }
        var shared: [(String, TensorPiece)] = []
        _ = try Self.changingTokenRows(block) { node throws(Failure) in
            shared.append(
                (
                    node.weight,
                    TensorPiece(rows: node.rowRanges, columns: node.columns, isTransposed: node.isTransposed)
                ))
            return node
        }
        pieces += shared
    }

    /// The block's node, whose parts of tensors that hold what all layers know of tokens are other ones.
    private static func changingTokenRows(
        _ block: JSON, _ change: (LinearNode) throws(Failure) -> LinearNode
    ) throws(Failure) -> JSON {
        let changed = try block.changing(["wiring", "token_input", "embedding", "projection"]) { node throws(Failure) in
            try change(LinearNode(node, path: "projection")).json
        }
        return try LayerTable.changing(in: changed, change)
    }

    /// The linear layers of a sublayer, by the key of its operation, with the outputs and inputs that are kept; `nil`: all.
    private func parts(of sublayer: JSON) -> [(operation: String, key: String, outputs: Int?, inputs: Int?)] {
        var parts: [(String, String, Int?, Int?)] = []
        if let mixer = sublayer["mixer"], mixer["type"]?.string == "attention" {
            let headSize = mixer["head_size"]?.int ?? 0
            let (own, keys) = attentionHeads(mixer)
            for (key, heads) in [("query", own), ("key", keys), ("value", keys)] where mixer[key] != nil {
                parts.append(("mixer", key, heads * headSize, nil))
            }
            parts.append(("mixer", "output", nil, own * headSize))
        }
        if let channel = sublayer["channel"], channel["width"] != nil {
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
            if var channel = operations["channel"], channel["width"] != nil {
                channel["width"] = .integer(width)
                object["channel"] = .object(channel)
            }
            nodes.append(.object(object))
        }
        return try Self.changingTokenRows(block.setting("sublayers", to: .array(nodes)), relocate)
    }
}
