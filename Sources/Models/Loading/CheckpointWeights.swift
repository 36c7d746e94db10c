public import NestlingBasics
public import NestlingBlocks
public import NestlingCheckpoints
public import NestlingTensors

/// Packs the weights of a network from a checkpoint, or uses those that lie packed in it, and counts the bytes that they take.
public final class CheckpointWeights: WeightSource {
    private let checkpoint: Checkpoint
    private let precision: Precision
    private let role: Precision.Role
    private let progress: LoadProgress
    private var linears: [LinearNode: PackedLinear] = [:]
    private var tables: [String: EmbeddingTable] = [:]
    /// Bytes of packed weights, vectors, and tables.
    public private(set) var storageBytes = 0

    /// Reads from `checkpoint`; what is not packed there is packed with `precision`.
    public init(
        _ checkpoint: Checkpoint, precision: Precision, role: Precision.Role = .block, progress: LoadProgress
    ) {
        self.checkpoint = checkpoint
        self.precision = precision
        self.role = role
        self.progress = progress
    }

    public func linear(_ node: JSON?, path: String) throws(Failure) -> any Linear {
        let key = path.split(separator: ".").last ?? ""
        return try packed(LinearNode(node, path: path), role.ofLayer(key))
    }

    /// The layer that `node` describes, for `role`.
    public func packed(_ node: LinearNode, _ role: Precision.Role) throws(Failure) -> PackedLinear {
        // The file is asked at each use: a second one may describe the tensor otherwise, and not every use is the first.
        let tensor = try checkpoint.tensor(of: node)
        _ = try checkpoint.vectors(of: node)
        // Layers that share weights (ALBERT) share the packed form, if they have the same codec.
        let codec = node.codec ?? precision.codec(of: node, role)
        var key = node
        (key.codec, key.inputs) = (codec, node.columns)
        if let linear = linears[key] { return linear.cut(outputs: node.outputs, inputs: node.inputs) }
        func ofRows(_ name: String) throws(Failure) -> [Float] {
            let all = try checkpoint.values(name, shape: [node.rows])
            return node.rowRanges.flatMap { all[$0] }
        }
        let scale = try node.scale.map(ofRows)
        var bias = try node.bias.map { name throws(Failure) in try Vector(ofRows(name)) }
        if let scale { bias = try bias?.multiplied(by: scale) }
        let linear: PackedLinear
        if node.codec != nil {
            linear = try PackedLinear(
                packed: tensor.bytes, owner: tensor.file, codec: codec, outputs: node.rows, inputs: node.columns,
                bias: bias)
            try progress.advance(by: tensor.bytes.count)
        } else {
            let isCopied = node.isTransposed || !node.isContiguous || tensor.rowOrder != nil
            var part =
                try isCopied
                ? StoredMatrix(
                    gathering: tensor.places(of: node.rowRanges), of: tensor.matrix(), transposing: node.isTransposed)
                : tensor.matrix().rows(from: node.firstRow, count: node.outputs)
            if let scale { part = try StoredMatrix(scaling: part, rowsBy: scale) }
            let firstByte = part.type.bytes(node.firstRow * part.columns)
            linear = try PackedLinear(packing: part, as: codec, bias: bias) {
                if !isCopied { tensor.discardPages(firstByte + $0.lowerBound..<firstByte + $0.upperBound) }
            }
            tensor.discardPages()
            try progress.advance(by: part.byteCount)
        }
        linears[key] = linear
        storageBytes += linear.storageBytes
        return linear.cut(outputs: node.outputs, inputs: node.inputs)
    }

    public func vector(_ name: String, count: Int) throws(Failure) -> Vector {
        let tensor = try checkpoint.tensor(name, shape: [count])
        guard let base = tensor.bytes.baseAddress else { throw Failure(.internal, "tensor \(name) has no bytes") }
        storageBytes += count * MemoryLayout<Float>.stride
        return try Vector(converting: base, type: try tensor.storedType(), count: count)
    }

    public func table(_ node: JSON?, path: String) throws(Failure) -> EmbeddingTable {
        try table(node, path: path, precision.tableType(of:))
    }

    public func mappedTable(_ node: JSON?, path: String) throws(Failure) -> EmbeddingTable {
        try table(node, path: path) { _ in nil }
    }

    /// The table that `node` describes, converted to the type that `choose` gives for it, if any.
    private func table(
        _ node: JSON?, path: String, _ choose: (StoredMatrix) -> StoredType?
    ) throws(Failure) -> EmbeddingTable {
        var source: Tensor?
        var matrix = try checkpoint.table(node, path: path) { source = $0 }
        let type = choose(matrix)
        // Parts of a network may share a table.
        let key = "\(source?.name ?? "") \(type.map { "\($0)" } ?? "")"
        if let table = tables[key] { return table }
        if let type {
            matrix = try StoredMatrix(converting: matrix, to: type) { source?.discardPages($0) }
            source?.discardPages()
        }
        storageBytes += matrix.byteCount
        let table = EmbeddingTable(matrix)
        tables[key] = table
        return table
    }

    public func values(_ name: String, shape: [Int]) throws(Failure) -> [Float] {
        let values = try checkpoint.values(name, shape: shape)
        storageBytes += values.count * MemoryLayout<Float>.stride
        return values
    }
}

/// Checks that the weights of a network are there, without reading them: every tensor with the right shape and a type that
/// can be read.
public struct CheckedWeights: WeightSource {
    private let checkpoint: Checkpoint
    /// Called with each tensor that is used, and the layer if it is the weight of one.
    private let visit: (Tensor, LinearNode?) -> Void

    /// Checks against `checkpoint`; `visit` sees every tensor that the network uses.
    public init(_ checkpoint: Checkpoint, visit: @escaping (Tensor, LinearNode?) -> Void = { _, _ in }) {
        self.checkpoint = checkpoint
        self.visit = visit
    }

    public func linear(_ node: JSON?, path: String) throws(Failure) -> any Linear {
        let node = try LinearNode(node, path: path)
        visit(try checkpoint.tensor(of: node), node)
        for tensor in try checkpoint.vectors(of: node) { visit(tensor, nil) }
        return UnloadedLinear(outputs: node.outputs, inputs: node.inputs, hasBias: node.bias != nil)
    }

    public func vector(_ name: String, count: Int) throws(Failure) -> Vector {
        let tensor = try checkpoint.tensor(name, shape: [count])
        visit(tensor, nil)
        return try Vector(Array(repeating: 0, count: count))
    }

    public func table(_ node: JSON?, path: String) throws(Failure) -> EmbeddingTable {
        EmbeddingTable(try checkpoint.table(node, path: path) { visit($0, nil) })
    }

    public func mappedTable(_ node: JSON?, path: String) throws(Failure) -> EmbeddingTable {
        try table(node, path: path)
    }

    public func values(_ name: String, shape: [Int]) throws(Failure) -> [Float] {
        visit(try checkpoint.tensor(name, shape: shape), nil)
        return try checkpoint.values(name, shape: shape)
    }
}

/// Tells the caller how far loading is, and hears whether to stop.
public final class LoadProgress {
    private let report: ProgressHandler?
    private let total: Int
    private var done = 0

    /// Reports to `report`, if there is one, out of `total` bytes.
    public init(_ report: ProgressHandler?, total: Int) {
        self.report = report
        self.total = max(total, 1)
    }

    func advance(by bytes: Int) throws(Failure) {
        done = min(done + bytes, total)
        try report?("load", done, total)
    }

    /// Reports the end.
    public func finish() throws(Failure) {
        done = total
        try report?("load", done, total)
    }
}
