public import Basics
public import Blocks
public import Checkpoints
public import Tensors

/// Packs the weights of a network from a checkpoint, and counts the bytes that they take.
public final class CheckpointWeights: WeightSource {
    private let checkpoint: Checkpoint
    private let progress: LoadProgress
    private var linears: [String: any Linear] = [:]
    /// Bytes of packed weights, vectors, and tables used in place.
    public private(set) var storageBytes = 0

    /// Reads from `checkpoint`.
    public init(_ checkpoint: Checkpoint, progress: LoadProgress) {
        self.checkpoint = checkpoint
        self.progress = progress
    }

    public func linear(_ node: JSON?, path: String) throws(Failure) -> any Linear {
        let node = try LinearNode(node, path: path)
        // Layers that share weights (ALBERT) share the packed form.
        let key = "\(node.weight) \(node.bias ?? "") \(node.firstRow) \(node.outputs)"
        if let linear = linears[key] { return linear.prefix(outputs: node.outputs, inputs: node.inputs) }
        let tensor = try checkpoint.tensor(node.weight, shape: [node.rows, node.columns])
        let part = try tensor.matrix().rows(from: node.firstRow, count: node.outputs)
        var bias: Vector?
        if let name = node.bias {
            let tensor = try checkpoint.tensor(name, shape: [node.rows])
            let type = try tensor.storedType()
            guard let base = tensor.bytes.baseAddress else { throw Failure(.internal, "tensor \(name) has no bytes") }
            bias = try Vector(converting: base + node.firstRow * type.size, type: type, count: node.outputs)
        }
        let linear = try Float32Linear(packing: part, bias: bias)
        linears[key] = linear
        storageBytes += linear.storageBytes
        tensor.discardPages()
        try progress.advance(by: part.rows * part.columns * part.type.size)
        return linear.prefix(outputs: node.outputs, inputs: node.inputs)
    }

    public func vector(_ name: String, count: Int) throws(Failure) -> Vector {
        let tensor = try checkpoint.tensor(name, shape: [count])
        guard let base = tensor.bytes.baseAddress else { throw Failure(.internal, "tensor \(name) has no bytes") }
        storageBytes += count * MemoryLayout<Float>.stride
        return try Vector(converting: base, type: try tensor.storedType(), count: count)
    }

    public func table(_ node: JSON?, path: String) throws(Failure) -> EmbeddingTable {
        let matrix = try checkpoint.table(node, path: path)
        storageBytes += matrix.rows * matrix.columns * matrix.type.size
        return EmbeddingTable(matrix)
    }

    public func values(_ name: String, shape: [Int]) throws(Failure) -> [Float] {
        try checkpoint.values(name, shape: shape)
    }
}

/// Checks that the weights of a network are there, without reading them: every tensor with the right shape and a type that
/// can be read.
public struct CheckedWeights: WeightSource {
    private let checkpoint: Checkpoint
    /// Called with each tensor that is used.
    private let visit: (Tensor) -> Void

    /// Checks against `checkpoint`; `visit` sees every tensor that the network uses.
    public init(_ checkpoint: Checkpoint, visit: @escaping (Tensor) -> Void = { _ in }) {
        self.checkpoint = checkpoint
        self.visit = visit
    }

    public func linear(_ node: JSON?, path: String) throws(Failure) -> any Linear {
        let node = try LinearNode(node, path: path)
        let tensor = try checkpoint.tensor(node.weight, shape: [node.rows, node.columns])
        _ = try tensor.storedType()
        visit(tensor)
        if let bias = node.bias { visit(try checkpoint.tensor(bias, shape: [node.rows])) }
        return UnloadedLinear(outputs: node.outputs, inputs: node.inputs, hasBias: node.bias != nil)
    }

    public func vector(_ name: String, count: Int) throws(Failure) -> Vector {
        let tensor = try checkpoint.tensor(name, shape: [count])
        visit(tensor)
        return try Vector(Array(repeating: 0, count: count))
    }

    public func table(_ node: JSON?, path: String) throws(Failure) -> EmbeddingTable {
        EmbeddingTable(try checkpoint.table(node, path: path, visit: visit))
    }

    public func values(_ name: String, shape: [Int]) throws(Failure) -> [Float] {
        visit(try checkpoint.tensor(name, shape: shape))
        return try checkpoint.values(name, shape: shape)
    }
}

/// A linear layer that has sizes but no weights: what a checked network is made of. It is never multiplied.
private struct UnloadedLinear: Linear {
    let outputs: Int
    let inputs: Int
    let hasBias: Bool
    var parameters: Int { outputs * inputs + (hasBias ? outputs : 0) }
    var storageBytes: Int { 0 }

    func prefix(outputs: Int, inputs: Int) -> any Linear {
        UnloadedLinear(outputs: min(outputs, self.outputs), inputs: min(inputs, self.inputs), hasBias: hasBias)
    }

    func multiply(_ input: Matrix, _ products: [Product], threads: Int) {}
}

/// Tells the caller how far loading is, and hears whether to stop.
public final class LoadProgress {
    private let report: Progress?
    private let total: Int
    private var done = 0

    /// Reports to `report`, if there is one, out of `total` bytes.
    public init(_ report: Progress?, total: Int) {
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
