public import Basics
import Kernels

/// A weight matrix in float32, packed into panels of 32 outputs (DESIGN section 4): a prefix of the outputs is fewer
/// panels, a prefix of the inputs a shorter run inside each.
public struct Float32Linear: Linear {
    private let packed: AlignedStorage
    private let packedInputs: Int
    private let bias: Vector?
    public let outputs: Int
    public let inputs: Int

    /// Packs `weight` `[outputs, inputs]`.
    public init(packing weight: StoredMatrix, bias: Vector?, threads: Int = 0) throws(Failure) {
        packed = try AlignedStorage(
            count: nk_packed_bytes(NK_CODEC_F32, weight.rows, weight.columns) / MemoryLayout<Float>.stride)
        nk_pack(
            NK_CODEC_F32, weight.bytes, weight.type.kernel, weight.rows, weight.columns, weight.columns, 1,
            packed.pointer, Int32(threads))
        packedInputs = weight.columns
        outputs = weight.rows
        inputs = weight.columns
        self.bias = bias
    }

    private init(packed: AlignedStorage, packedInputs: Int, bias: Vector?, outputs: Int, inputs: Int) {
        self.packed = packed
        self.packedInputs = packedInputs
        self.bias = bias
        self.outputs = outputs
        self.inputs = inputs
    }

    public var parameters: Int { outputs * inputs + (bias == nil ? 0 : outputs) }
    public var storageBytes: Int { (packed.count + (bias?.count ?? 0)) * MemoryLayout<Float>.stride }

    public func prefix(outputs: Int, inputs: Int) -> any Linear {
        Float32Linear(
            packed: packed, packedInputs: packedInputs, bias: bias, outputs: min(outputs, self.outputs),
            inputs: min(inputs, self.inputs))
    }

    public func multiply(_ input: Matrix, _ products: [Product], threads: Int) {
        withUnsafeTemporaryAllocation(of: nk_linear.self, capacity: products.count) { group in
            var count = 0
            for product in products {
                if let linear = product.linear as? Float32Linear {
                    group.initializeElement(at: count, to: linear.kernelArguments(product))
                    count += 1
                } else {
                    product.linear.multiply(input, [product], threads: threads)
                }
            }
            if let first = group.baseAddress, count > 0 {
                nk_gemm(input.pointer, input.stride, input.rows, first, count, Int32(threads))
            }
        }
    }

    private func kernelArguments(_ product: Product) -> nk_linear {
        nk_linear(
            codec: NK_CODEC_F32, packed: packed.pointer, packed_inputs: packedInputs, inputs: inputs, outputs: outputs,
            bias: bias?.pointer, activation: product.activation.kernel,
            multiply: product.multiplier.map { UnsafePointer($0.pointer) },
            multiply_stride: product.multiplier?.stride ?? 0,
            residual: product.residual.map { UnsafePointer($0.pointer) },
            residual_stride: product.residual?.stride ?? 0,
            output: product.output.pointer, output_stride: product.output.stride)
    }
}
