public import NestlingBasics
public import NestlingTensors

/// A linear layer as the architecture describes it: which part of which tensor.
///
/// The tensor has shape `[rows, columns]`; the layer is `outputs` rows of it from `firstRow` on (all, unless tensors are
/// fused or nested) and its leading `inputs` columns. A bias is a vector of `rows` elements, of which it takes the same part.
///
/// Rows may also be taken in runs: the rows of one head after those of others (``run``, ``stride``; GPT-NeoX). A tensor may be
/// stored ``isTransposed``, as `[columns, rows]` (GPT-2).
///
/// A tensor of more dimensions (a convolution's) is a matrix too: the columns are all dimensions but the first.
///
/// A tensor that is packed (``codec``) holds the matrix as a vector of U8: ``Codec/packedBytes(outputs:inputs:)``.
///
/// With ``scale`` the layer's outputs are multiplied, the bias included: `s * (W x + b)` (LayerScale, Touvron et al., arXiv
/// 2103.17239). It is folded into weights and bias when they are packed; a packed tensor has it already, its bias has not.
public struct LinearNode: Hashable, Sendable {
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
    /// Rows of a run, which belong to the layer one after the other; ``outputs`` if there is one run.
    public var run: Int
    /// Rows from the beginning of a run to that of the next; ``run`` if there is one run.
    public var stride: Int
    /// Columns that belong to this layer.
    public var inputs: Int
    /// Whether the tensor is stored as `[columns, rows]`.
    public var isTransposed: Bool
    /// How the tensor is packed; `nil`: it is an ordinary tensor of floating-point numbers.
    public var codec: Codec?
    /// Name of the vector of `rows` elements that the tensor's rows are multiplied by.
    public var scale: String?
    /// The tensor's dimensions but the first, where they are not one: their product is ``columns``.
    public var innerShape: [Int]?

    /// A layer that is part of the tensor `weight`; by default all of it.
    public init(
        weight: String, bias: String?, rows: Int, columns: Int, firstRow: Int = 0, outputs: Int? = nil,
        run: Int? = nil, stride: Int? = nil, inputs: Int? = nil, isTransposed: Bool = false, codec: Codec? = nil,
        scale: String? = nil, innerShape: [Int]? = nil
    ) {
        self.weight = weight
        self.bias = bias
        self.rows = rows
        self.columns = columns
        self.firstRow = firstRow
        self.outputs = outputs ?? rows
        self.run = run ?? self.outputs
        self.stride = stride ?? self.run
        self.inputs = inputs ?? columns
        self.isTransposed = isTransposed
        self.codec = codec
        self.scale = scale
        self.innerShape = innerShape
    }

    /// The names of the vectors of `rows` elements that go with the matrix.
    public var vectors: [String] { [bias, scale].compactMap { $0 } }

    /// The tensor's dimensions, where it is not packed.
    public var shape: [Int] { isTransposed ? [columns, rows] : [rows] + (innerShape ?? [columns]) }

    /// Whether the layer's rows lie one after the other.
    public var isContiguous: Bool { outputs <= run || stride == run }

    /// The rows of the tensor that belong to this layer, in its order.
    public var rowRanges: [Range<Int>] {
        guard !isContiguous else { return [firstRow..<firstRow + outputs] }
        return Swift.stride(from: 0, to: outputs, by: run).map { done in
            let first = firstRow + done / run * stride
            return first..<first + min(run, outputs - done)
        }
    }

    /// Reads `{"weight", "bias"?, "scale"?, "shape": [rows, columns], "rows": [first, count]?, "columns"?, "transposed"?,
    /// "codec"?}`, where rows may be `[first, count, run, stride]`; `path` says where it stands.
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
        (firstRow, outputs, run, stride) = (0, rows, rows, rows)
        if let part = try fields.optionalIntegers("rows", in: 0...Int(Int32.max)) {
            (firstRow, outputs, run, stride) = try Self.part(part, of: rows, path: path)
        }
        isTransposed = try fields.bool("transposed", default: false)
        guard !isTransposed || innerShape == nil else {
            throw Failure(.corrupt, "\(path).transposed: the tensor is no matrix")
        }
        inputs = try fields.integer("columns", in: limit, default: columns)
        guard inputs <= columns else {
            throw Failure(.corrupt, "\(path).columns: \(inputs) of \(columns) columns")
        }
        scale = try fields.optionalString("scale")
        guard let name = try fields.optionalString("codec") else { return }
        guard let codec = Codec(rawValue: name) else {
            throw Failure(.unsupported, "\(path).codec: \(name.quoted) is not known")
        }
        guard firstRow == 0, isContiguous, !isTransposed else {
            throw Failure(.corrupt, "\(path).rows: a packed tensor is used from row 0 on, row by row")
        }
        self.codec = codec
    }

    /// What `[first, count]` or `[first, count, run, stride]` takes of the tensor's rows.
    private static func part(
        _ part: [Int], of rows: Int, path: String
    ) throws(Failure) -> (first: Int, count: Int, run: Int, stride: Int) {
        let expectation = "\(path).rows: expected [first, count] or [first, count, run, stride] within \(rows) rows"
        guard part.count == 2 || part.count == 4, part[1] > 0, part[0] <= rows, part[1] <= rows - part[0] else {
            throw Failure(.corrupt, expectation)
        }
        let (first, count) = (part[0], part[1])
        guard part.count == 4 else { return (first, count, count, count) }
        let (run, stride) = (part[2], part[3])
        guard run > 0, stride >= run,
            // At most 2^62.
            first + (count - 1) / run * stride + (count - 1) % run < rows
        else { throw Failure(.corrupt, expectation) }
        return (first, count, run, stride)
    }

    /// The node of the architecture.
    public var json: JSON {
        var object = JSONObject()
        object["weight"] = .string(weight)
        if let bias { object["bias"] = .string(bias) }
        if let scale { object["scale"] = .string(scale) }
        object["shape"] = .array(([rows] + (innerShape ?? [columns])).map { .integer($0) })
        if firstRow != 0 || outputs != rows || !isContiguous {
            let runs = isContiguous ? [] : [run, stride]
            object["rows"] = .array(([firstRow, outputs] + runs).map { .integer($0) })
        }
        if isTransposed { object["transposed"] = .bool(true) }
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
