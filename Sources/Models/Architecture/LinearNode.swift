public import Basics
public import Tensors

/// A linear layer as the architecture describes it: which part of which tensor.
///
/// The tensor has shape `[rows, columns]`; the layer is `outputs` rows of it from `firstRow` on (all, unless tensors are
/// fused or nested) and its leading `inputs` columns. A bias is a vector of `rows` elements, of which it takes the same part.
///
/// A tensor that is packed (``codec``) holds the matrix as panels: U8 `[panels, bytes of a panel]`.
public struct LinearNode: Equatable, Sendable {
    /// Name of the tensor.
    public var weight: String
    /// Name of the bias vector, if there is one.
    public var bias: String?
    /// Rows of the tensor.
    public var rows: Int
    /// Columns of the tensor.
    public var columns: Int
    /// The first row that belongs to this layer.
    public var firstRow: Int
    /// Rows that belong to this layer.
    public var outputs: Int
    /// Columns that belong to this layer.
    public var inputs: Int
    /// How the tensor is packed; `nil`: it is an ordinary tensor of floating-point numbers.
    public var codec: Codec?

    /// A layer that is part of the tensor `weight`; by default all of it.
    public init(
        weight: String, bias: String?, rows: Int, columns: Int, firstRow: Int = 0, outputs: Int? = nil,
        inputs: Int? = nil, codec: Codec? = nil
    ) {
        self.weight = weight
        self.bias = bias
        self.rows = rows
        self.columns = columns
        self.firstRow = firstRow
        self.outputs = outputs ?? rows
        self.inputs = inputs ?? columns
        self.codec = codec
    }

    /// Reads `{"weight", "bias"?, "shape": [rows, columns], "rows": [first, count]?, "columns"?, "codec"?}`; `path` says where it
    /// stands.
    public init(_ json: JSON?, path: String) throws(Failure) {
        guard let object = json?.object else { throw Failure(.corrupt, "\(path): expected a linear layer") }
        let fields = JSONFields(object, name: path)
        let limit = 1...Int(Int32.max)
        weight = try fields.string("weight")
        bias = try fields.optionalString("bias")
        (rows, columns) = try fields.shape("shape")
        firstRow = 0
        outputs = rows
        if let part = try fields.optionalIntegers("rows", in: 0...Int(Int32.max)) {
            guard part.count == 2, part[1] > 0, part[0] <= rows, part[1] <= rows - part[0] else {
                throw Failure(.corrupt, "\(path).rows: expected [first, count] within \(rows) rows")
            }
            (firstRow, outputs) = (part[0], part[1])
        }
        inputs = try fields.integer("columns", in: limit, default: columns)
        guard inputs <= columns else {
            throw Failure(.corrupt, "\(path).columns: \(inputs) of \(columns) columns")
        }
        guard let name = try fields.optionalString("codec") else { return }
        guard let codec = Codec(rawValue: name) else {
            throw Failure(.unsupported, "\(path).codec: \(name.quoted) is not known")
        }
        guard firstRow == 0 else { throw Failure(.corrupt, "\(path).rows: a packed tensor is used from row 0 on") }
        self.codec = codec
    }

    /// The node of the architecture.
    public var json: JSON {
        var object = JSONObject()
        object["weight"] = .string(weight)
        if let bias { object["bias"] = .string(bias) }
        object["shape"] = .array([.integer(rows), .integer(columns)])
        if firstRow != 0 || outputs != rows { object["rows"] = .array([.integer(firstRow), .integer(outputs)]) }
        if inputs != columns { object["columns"] = .integer(inputs) }
        if let codec { object["codec"] = .string(codec.rawValue) }
        return .object(object)
    }
}

extension JSONFields {
    /// The two positive numbers of the array under `key`.
    func shape(_ key: String) throws(Failure) -> (Int, Int) {
        let shape = try integers(key, in: 1...Int(Int32.max))
        guard shape.count == 2 else { throw Failure(.corrupt, "\(name).\(key): expected [rows, columns]") }
        return (shape[0], shape[1])
    }
}
