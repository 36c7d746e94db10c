public import NestlingBasics
public import NestlingCheckpoints
import NestlingKernels
public import NestlingTensors

extension Tensor {
    /// The type of the elements, if it is one of those that weights may have.
    func storedType() throws(Failure) -> StoredType {
        switch type {
        case .float32: return .float32
        case .float16: return .float16
        case .bfloat16: return .bfloat16
        case .q4_0: return .q4_0
        case .q4_1: return .q4_1
        case .q5_0: return .q5_0
        case .q5_1: return .q5_1
        case .q8_0: return .q8_0
        case .q4_K: return .q4_K
        case .q5_K: return .q5_K
        case .q6_K: return .q6_K
        case .q2_K: return .q2_K
        case .q3_K: return .q3_K
        case .iq4_nl: return .iq4_nl
        case .iq4_xs: return .iq4_xs
        case .mxfp4: return .mxfp4
        case .tq1_0: return .tq1_0
        case .tq2_0: return .tq2_0
        default:
            throw Failure(
                .unsupported, "\(file.name): tensor \(name) has type \(type.rawValue), expected a type of weights")
        }
    }

    /// The type of the elements where blocks are not known: float32 holds all that blocks say.
    public var plainType: ElementType { type.block == nil ? type : .float32 }

    /// This tensor; or, if it is in blocks or its rows are in another order, what it says as plain numbers in memory.
    public func plain() throws(Failure) -> Tensor {
        guard rowOrder != nil || type.block != nil, let source = bytes.baseAddress, !shape.isEmpty else { return self }
        let stored = try storedType()
        let (rows, columns) = (shape[0], elementCount / max(shape[0], 1))
        let plain: StoredType = stored.isPlain ? stored : .float32
        let file = try FileBytes(name: file.name, count: plain.bytes(elementCount)) { target throws(Failure) in
            guard let base = target.baseAddress else { return }
            for row in 0..<rows {
                let from = source + stored.bytes((rowOrder?.place(of: row) ?? row) * columns)
                let to = base + plain.bytes(row * columns)
                if stored.isPlain {
                    to.copyMemory(from: from, byteCount: plain.bytes(columns))
                } else {
                    nk_to_f32(from, stored.kernel, columns, to.assumingMemoryBound(to: Float.self))
                }
            }
        }
        return try Tensor(self, as: plainType, in: file)
    }

    /// The places of the rows `ranges`, in their order.
    func places(of ranges: [Range<Int>]) -> [Range<Int>] {
        guard let rowOrder else { return ranges }
        return ranges.flatMap { range in range.map { rowOrder.place(of: $0)..<rowOrder.place(of: $0) + 1 } }
    }

    /// This tensor, of two or more dimensions and not empty, as a matrix whose columns are all dimensions but the first.
    public func matrix() throws(Failure) -> StoredMatrix {
        guard shape.count >= 2, elementCount > 0, let base = bytes.baseAddress else {
            throw Failure(.corrupt, "\(file.name): tensor \(name) has shape \(shape), expected a matrix")
        }
        return StoredMatrix(
            bytes: base, type: try storedType(), rows: shape[0], columns: elementCount / shape[0], owner: file)
    }
}

extension Checkpoint {
    /// The tensor of a linear layer, of the shape that its node says.
    func tensor(of node: LinearNode) throws(Failure) -> Tensor {
        guard let codec = node.codec else {
            return try tensor(node.weight, shape: node.shape)
        }
        return try tensor(
            node.weight, shape: [codec.packedBytes(outputs: node.rows, inputs: node.columns)], types: [.uint8])
    }

    /// The bias and the scale of a linear layer, as far as its node names them.
    func vectors(of node: LinearNode) throws(Failure) -> [Tensor] {
        var tensors: [Tensor] = []
        for name in node.vectors { tensors.append(try tensor(name, shape: [node.rows])) }
        return tensors
    }

    /// The table that a node `{"weight", "shape"}` describes.
    func table(_ node: JSON?, path: String, visit: (Tensor) -> Void = { _ in }) throws(Failure) -> StoredMatrix {
        guard let object = node?.object else { throw Failure(.corrupt, "\(path): expected a table") }
        let fields = JSONFields(object, name: path)
        let (rows, columns) = try fields.shape("shape")
        let tensor = try tensor(try fields.string("weight"), shape: [rows, columns])
        visit(tensor)
        return try tensor.matrix()
    }

    /// The elements of a small tensor, in float32.
    func values(_ name: String, shape: [Int]) throws(Failure) -> [Float] {
        let tensor = try tensor(name, shape: shape).plain()
        let type = try tensor.storedType()
        return [Float](unsafeUninitializedCapacity: tensor.elementCount) { buffer, count in
            if let source = tensor.bytes.baseAddress, let target = buffer.baseAddress {
                nk_to_f32(source, type.kernel, tensor.elementCount, target)
                count = tensor.elementCount
            }
        }
    }
}
