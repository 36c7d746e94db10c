import NestlingBasics
import NestlingBlocks
import NestlingTensors

/// Weights of which only the shapes are known, from the nodes that describe them: for what can be said of a network without
/// its checkpoint. Small ones are zeros; nothing is ever multiplied.
final class UnloadedWeights: WeightSource {
    /// The most elements that are made up for one tensor: more than any vector or position table has.
    private static let mostElements = 1 << 26
    /// By shape: parts of a network may share one, and they can be large.
    private var tables: [[Int]: EmbeddingTable] = [:]

    func linear(_ node: JSON?, path: String) throws(Failure) -> any Linear {
        let node = try LinearNode(node, path: path)
        return UnloadedLinear(outputs: node.outputs, inputs: node.inputs, hasBias: node.bias != nil)
    }

    func vector(_ name: String, count: Int) throws(Failure) -> Vector {
        try Vector(zeros(name, count))
    }

    func table(_ node: JSON?, path: String) throws(Failure) -> EmbeddingTable {
        guard let object = node?.object else { throw Failure(.corrupt, "\(path): expected a table") }
        let (rows, columns) = try JSONFields(object, name: path).shape("shape")
        if let table = tables[[rows, columns]] { return table }
        let type = StoredType.bfloat16
        let bytes = try rows.multiplied(by: columns, path).multiplied(by: type.bytes(1), path)
        let storage = try AlignedStorage(bytes: bytes)  // never touched, so it takes no memory
        let table = EmbeddingTable(
            StoredMatrix(bytes: storage.pointer, type: type, rows: rows, columns: columns, owner: storage))
        tables[[rows, columns]] = table
        return table
    }

    func mappedTable(_ node: JSON?, path: String) throws(Failure) -> EmbeddingTable { try table(node, path: path) }

    func values(_ name: String, shape: [Int]) throws(Failure) -> [Float] {
        var count = 1
        for size in shape { count = try count.multiplied(by: size, name) }
        return try zeros(name, count)
    }

    private func zeros(_ name: String, _ count: Int) throws(Failure) -> [Float] {
        guard count <= Self.mostElements else {
            throw Failure(.unsupported, "\(name): has \(count) elements, more than can be counted without a checkpoint")
        }
        return Array(repeating: 0, count: count)
    }
}

/// A linear layer that has sizes but no weights: what a network is made of that is checked or counted. It is never
/// multiplied.
struct UnloadedLinear: Linear {
    let outputs: Int
    let inputs: Int
    let hasBias: Bool
    var parameters: Int { outputs * inputs + (hasBias ? outputs : 0) }
    var inputType: StoredType { .float32 }
    var storageBytes: Int { 0 }

    func prefix(outputs: Int, inputs: Int) -> any Linear {
        UnloadedLinear(outputs: min(outputs, self.outputs), inputs: min(inputs, self.inputs), hasBias: hasBias)
    }

    func multiply(_ input: Matrix, _ products: [Product], threads: Int) {}
}
