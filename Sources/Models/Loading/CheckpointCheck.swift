public import NestlingBasics
import NestlingBlocks
public import NestlingCheckpoints
import Glibc
import NestlingKernels
import NestlingTensors

/// Checks a checkpoint without loading it: every tensor that its network needs is there with the right shape and type, and,
/// if asked, every number is finite.
public struct CheckpointCheck: Sendable {
    /// What is wrong, a line each; empty: nothing.
    public private(set) var problems: [String] = []
    /// The family, if the checkpoint could be read that far.
    public private(set) var family: String?
    /// Tensors that the network uses.
    public private(set) var tensors = 0
    /// Tensors of the files that it does not use.
    public private(set) var unused: [String] = []
    /// Numbers in the tensors that it uses.
    public private(set) var parameters = 0

    /// Of a checkpoint that cannot be opened because of `problem`.
    public init(problem: String) { problems = [problem] }

    /// Checks the files of `source`. Fails only if they cannot be read at all.
    public init(_ source: any FileSource, values: Bool) throws(Failure) {
        let descriptions: [CheckpointDescription]
        do {
            descriptions = try CheckpointDescription.all(in: source)
        } catch {
            if error.kind == .io || error.kind == .outOfMemory { throw error }
            problems.append(error.message)
            return
        }
        var used: [String: Use] = [:]
        for description in descriptions {
            let architecture = description.architecture
            family = architecture.family
            let weights = CheckedWeights(description.checkpoint) { tensor, layer in
                used[tensor.name] = Use(tensor: tensor, layer: layer)
            }
            do {
                let parts = try NetworkParts(architecture, weights)
                for kind in architecture.heads.keys { _ = try parts.head(kind, architecture, weights) }
                _ = try NetworkParts.jointSimilarity(architecture, weights)
                let pooler = try NetworkParts.pooler(architecture, weights)
                _ = try SentencePipeline(description.sentence, hiddenSize: architecture.hiddenSize, pooler) {
                    folder throws(Failure) in
                    CheckedWeights(try Checkpoint(source: source, folder: folder))
                }
            } catch {
                problems.append(error.message)
            }
        }
        tensors = used.count
        parameters = used.values.reduce(0) { $0 + $1.parameters }
        unused = (descriptions.first?.checkpoint.names ?? []).filter { used[$0] == nil }.sorted()
        guard values else { return }
        for use in used.values.sorted(by: { $0.tensor.name < $1.tensor.name }) {
            let tensor = use.tensor
            if let index = try use.firstNotFinite() {
                problems.append("\(tensor.file.name): tensor \(tensor.name): element \(index) is not a finite number")
            }
            tensor.discardPages()
        }
    }

    /// `{"valid", "problems", "family", "tensors", "unused_tensors", "parameters"}`
    public var json: JSON {
        [
            "valid": .bool(problems.isEmpty), "problems": .array(problems.map { .string($0) }),
            "family": family.map { .string($0) } ?? .null, "tensors": .integer(tensors),
            "unused_tensors": .array(unused.map { .string($0) }), "parameters": .integer(parameters),
        ]
    }
}

/// A tensor of a network, and the layer that it is the weight of.
private struct Use {
    let tensor: Tensor
    let layer: LinearNode?

    var parameters: Int {
        guard let layer, layer.codec != nil else { return tensor.elementCount }
        return layer.rows * layer.columns
    }

    func firstNotFinite() throws(Failure) -> Int? {
        guard let layer, let codec = layer.codec else { return try tensor.firstNotFinite() }
        let linear = try PackedLinear(
            packed: tensor.bytes, owner: tensor.file, codec: codec, outputs: layer.rows, inputs: layer.columns,
            bias: nil)
        return try linear.firstNotFinite()
    }
}

extension Tensor {
    /// The first element that is infinite or not a number.
    fileprivate func firstNotFinite() throws(Failure) -> Int? {
        let type = try storedType()
        guard let base = bytes.baseAddress else { return nil }
        // A number is not finite when all bits of its exponent are set.
        switch type {
        case .float32:
            return (0..<elementCount).first {
                let bits = bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)
                return bits & 0x7F80_0000 == 0x7F80_0000
            }
        case .float16, .bfloat16:
            let exponent: UInt16 = type == .float16 ? 0x7C00 : 0x7F80
            return (0..<elementCount).first {
                bytes.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self) & exponent == exponent
            }
        default:
            let count = type.blockElements
            return withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { values in
                guard let target = values.baseAddress else { return nil }
                for first in stride(from: 0, to: elementCount, by: count) {
                    nk_to_f32(base + type.bytes(first), type.kernel, count, target)
                    if let index = (0..<count).first(where: { !target[$0].isFinite }) { return first + index }
                }
                return nil
            }
        }
    }
}
