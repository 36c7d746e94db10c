public import Basics
public import Tensors

/// A linear layer as the architecture describes it: which part of which tensor.
///
/// The tensor has shape `[rows, columns]`; the layer is `outputs` rows of it from `firstRow` on (all, unless tensors are
/// fused or nested) and its leading `inputs` columns. A bias is a vector of `rows` elements, of which it takes the same part.
///
/// A tensor of more dimensions (a convolution's) is a matrix too: the columns are all dimensions but the first.
///
/// A tensor that is packed (``codec``) holds the matrix as panels: U8 `[panels, bytes of a panel]`.
///
/// With ``scale`` the layer's outputs are multiplied, the bias included: `s * (W x + b)` (LayerScale, Touvron et al., arXiv
/// 2103.17239). It is folded into weights and bias when they are packed; a packed tensor has it already, its bias has not.
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
    /// Name of the vector of `rows` elements that the outputs are multiplied by; only where all rows belong to the layer.
    public var scale: String?
    /// The tensor's dimensions but the first, where they are not one: their product is ``columns``.
    public var innerShape: [Int]?

    /// A layer that is part of the tensor `weight`; by default all of it.
    public init(
        weight: String, bias: String?, rows: Int, columns: Int, firstRow: Int = 0, outputs: Int? = nil,
        inputs: Int? = nil, codec: Codec? = nil, scale: String? = nil, innerShape: [Int]? = nil
    ) {
        self.weight = weight
        self.bias = bias
        self.rows = rows
        self.columns = columns
        self.firstRow = firstRow
        self.outputs = outputs ?? rows
        self.inputs = inputs ?? columns
        self.codec = codec
        self.scale = scale
        self.innerShape = innerShape
    }

    /// The tensor's dimensions, where it is not packed.
    public var shape: [Int] { [rows] + (innerShape ?? [columns]) }

    /// Reads `{"weight", "bias"?, "scale"?, "shape": [rows, columns], "rows": [first, count]?, "columns"?, "codec"?}`; `path`
    /// says where it stands.
    public init(_ json: JSON?, path: String) throws(Failure) {
        guard let object = json?.object else { throw Failure(.corrupt, "\(path): expected a linear layer") }
        let fields = JSONFields(object, name: path)
        let limit = 1...Int(Int32.max)
        weight = try fields.string("weight")
        bias = try fields.optionalString("bias")
        let shape = try fields.integers("shape", in: limit)
        guard shape.count >= 2 else { throw Failure(.corrupt, "\(path).shape: expected [rows, columns]") }
        rows = shape[0]
        var product = 1
        for dimension in shape.dropFirst() { product = try product.multiplied(by: dimension, "\(path).shape") }
        guard limit.contains(product) else { throw Failure(.corrupt, "\(path).shape: has \(product) columns") }
        columns = product
        innerShape = shape.count == 2 ? nil : Array(shape[1...])
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
        scale = try fields.optionalString("scale")
        guard scale == nil || outputs == rows else {
            throw Failure(.corrupt, "\(path).scale: a part of a tensor's rows cannot be scaled")
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
        if let scale { object["scale"] = .string(scale) }
        object["shape"] = .array(shape.map { .integer($0) })
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
