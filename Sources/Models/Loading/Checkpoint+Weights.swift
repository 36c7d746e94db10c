public import Basics
public import Checkpoints
import Kernels
public import Tensors

extension Tensor {
    /// The type of the elements, if it is one of those that weights may have.
    func storedType() throws(Failure) -> StoredType {
        switch type {
        case .float32: return .float32
        case .float16: return .float16
        case .bfloat16: return .bfloat16
        default:
            throw Failure(
                .unsupported, "\(file.name): tensor \(name) has type \(type.rawValue), expected F32, F16 or BF16")
        }
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
        let panelBytes = codec.panelBytes(inputs: node.columns)
        return try tensor(
            node.weight, shape: [Codec.panels(outputs: node.rows), panelBytes], types: [.uint8])
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
        let tensor = try tensor(name, shape: shape)
        let type = try tensor.storedType()
        return [Float](unsafeUninitializedCapacity: tensor.elementCount) { buffer, count in
            if let source = tensor.bytes.baseAddress, let target = buffer.baseAddress {
                nk_to_f32(source, type.kernel, tensor.elementCount, target)
                count = tensor.elementCount
            }
        }
    }
}
