import NestlingBasics
import NestlingModels

/// The columns that one layer has of a table whose rows hold those of all layers. As a linear layer whose tensor is stored
/// transposed they are cut, and moved, like any other.
struct LayerTable {
    /// The layer's columns as rows.
    private var linear: LinearNode

    /// Reads `{"weight", "shape": [rows, columns], "columns": [first, count]?}`.
    private init(_ json: JSON, path: String) throws(Failure) {
        linear = try LinearNode(json.setting("columns", to: nil), path: path)
        let (rows, columns) = (linear.rows, linear.columns)
        let part = json["columns"]?.array?.compactMap(\.int) ?? [0, columns]
        guard part.count == 2, part[0] >= 0, part[1] > 0, part[0] <= columns - part[1] else {
            throw Failure(.corrupt, "\(path).columns: expected [first, count] within \(columns)")
        }
        linear = LinearNode(
            weight: linear.weight, bias: nil, rows: columns, columns: rows, firstRow: part[0], outputs: part[1],
            isTransposed: true)
    }

    private init(_ linear: LinearNode) { self.linear = linear }

    /// The node of a block, whose columns of its table, if it has one, are other ones.
    static func changing(
        in block: JSON, _ change: (LinearNode) throws(Failure) -> LinearNode
    ) throws(Failure) -> JSON {
        try block.changing(["wiring", "token_input", "embedding", "table"]) { node throws(Failure) in
            LayerTable(try change(LayerTable(node, path: "table").linear)).json
        }
    }

    /// The node of the architecture.
    private var json: JSON {
        var object = JSONObject()
        object["weight"] = .string(linear.weight)
        object["shape"] = [.integer(linear.columns), .integer(linear.rows)]
        if linear.outputs < linear.rows { object["columns"] = [.integer(linear.firstRow), .integer(linear.outputs)] }
        return .object(object)
    }
}

extension JSON {
    /// The same object with another member, or (`nil`) without it.
    func setting(_ key: String, to value: JSON?) -> JSON {
        guard var object else { return self }
        object[key] = value
        return .object(object)
    }

    /// The same object, in which the node at the end of the path `keys`, if there is one, has become another.
    func changing(_ keys: ArraySlice<String>, _ change: (JSON) throws(Failure) -> JSON) throws(Failure) -> JSON {
        guard let key = keys.first else { return try change(self) }
        guard let inner = self[key] else { return self }
        return setting(key, to: try inner.changing(keys.dropFirst(), change))
    }
}
