public import NestlingBasics
import NestlingKernels

/// A weight matrix packed into panels of 32 outputs: a prefix of the outputs is fewer panels, a prefix of the inputs a
/// shorter run inside each.
public struct PackedLinear: Linear, @unchecked Sendable {
    /// How the weights are stored.
    public let codec: Codec
    public let outputs: Int
    public let inputs: Int
    private let packed: UnsafeRawPointer
    /// What keeps `packed` valid.
    private let owner: any AnyObject & Sendable
    private let packedOutputs: Int
    private let packedInputs: Int
    private let bias: Vector?
    public let storageBytes: Int

    /// Packs `weight` `[outputs, inputs]`.
    ///
    /// `finished` is called with the bytes of `weight` that will not be read again, piece by piece.
    public init(
        packing weight: StoredMatrix, as codec: Codec, bias: Vector?, threads: Int = 0,
        finished: (Range<Int>) -> Void = { _ in }
    ) throws(Failure) {
        let bytes = codec.packedBytes(outputs: weight.rows, inputs: weight.columns)
        let storage = try AlignedStorage(bytes: bytes)
        weight.forEachPiece(finished: finished) { piece, firstRow in
            nk_pack(
                codec.kernel, piece.bytes, piece.type.kernel, piece.rows, piece.columns, piece.columns, 1,
                storage.pointer, weight.rows, firstRow, Int32(threads))
        }
        self.init(
            packed: storage.pointer, owner: storage, codec: codec, packedOutputs: weight.rows,
            packedInputs: weight.columns, bias: bias, outputs: weight.rows, inputs: weight.columns,
            storageBytes: bytes + (bias?.bytes ?? 0))
    }

    /// Uses a matrix that lies packed in a file, in place if it is aligned to a cache line.
    ///
    /// - Parameters:
    ///   - packed: `codec.packedBytes(outputs:inputs:)` bytes.
    ///   - owner: keeps them valid.
    public init(
        packed: UnsafeRawBufferPointer, owner: any AnyObject & Sendable, codec: Codec, outputs: Int, inputs: Int,
        bias: Vector?
    ) throws(Failure) {
        guard let base = packed.baseAddress, packed.count == codec.packedBytes(outputs: outputs, inputs: inputs) else {
            throw Failure(.internal, "\(packed.count) bytes are not \(outputs) x \(inputs) packed as \(codec)")
        }
        var (start, holder) = (base, owner)
        if UInt(bitPattern: base) % 64 != 0 {
            let storage = try AlignedStorage(bytes: packed.count)
            UnsafeMutableRawPointer(storage.pointer).copyMemory(from: base, byteCount: packed.count)
            (start, holder) = (UnsafeRawPointer(storage.pointer), storage)
        }
        self.init(
            packed: start, owner: holder, codec: codec, packedOutputs: outputs, packedInputs: inputs, bias: bias,
            outputs: outputs, inputs: inputs, storageBytes: packed.count + (bias?.bytes ?? 0))
    }

    private init(
        packed: UnsafeRawPointer, owner: any AnyObject & Sendable, codec: Codec, packedOutputs: Int, packedInputs: Int,
        bias: Vector?, outputs: Int, inputs: Int, storageBytes: Int
    ) {
        self.packed = packed
        self.owner = owner
        self.codec = codec
        self.packedOutputs = packedOutputs
        self.packedInputs = packedInputs
        self.bias = bias
        self.outputs = outputs
        self.inputs = inputs
        self.storageBytes = storageBytes
    }

    public var inputType: StoredType { codec == .float32 ? .float32 : .bfloat16 }
    public var parameters: Int { outputs * inputs + (bias == nil ? 0 : outputs) }

    public func prefix(outputs: Int, inputs: Int) -> any Linear { cut(outputs: outputs, inputs: inputs) }

    /// As ``prefix(outputs:inputs:)``.
    public func cut(outputs: Int, inputs: Int) -> PackedLinear {
        PackedLinear(
            packed: packed, owner: owner, codec: codec, packedOutputs: packedOutputs, packedInputs: packedInputs,
            bias: bias, outputs: min(outputs, self.outputs), inputs: min(inputs, self.inputs),
            storageBytes: storageBytes)
    }

    /// Hands the outputs and inputs in use over as a packed matrix of that size, piece by piece. The inputs are all, or as
    /// many as ``Codec/cuttableInputs(_:of:)`` gives.
    public func writePacked(_ write: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
        let panels = Codec.panels(outputs: outputs)
        let stride = codec.panelBytes(inputs: packedInputs)
        if inputs == packedInputs {
            try write(UnsafeRawBufferPointer(start: packed, count: panels * stride))
        } else {
            let bytes = codec.panelBytes(inputs: inputs)
            for panel in 0..<panels { try write(UnsafeRawBufferPointer(start: packed + panel * stride, count: bytes)) }
        }
        for index in 0..<nk_panel_sums(codec.kernel, inputs) {
            let sums = packed + nk_sums_place(codec.kernel, packedOutputs, packedInputs, index)
            try write(UnsafeRawBufferPointer(start: sums, count: panels * Int(NK_SUM_BYTES)))
        }
    }

    /// The place, row by row, of the first weight that is infinite or not a number.
    public func firstNotFinite() throws(Failure) -> Int? {
        let rows = Int(NK_PANEL)
        let values = try AlignedStorage(count: min(outputs, rows) * inputs)
        for first in stride(from: 0, to: outputs, by: rows) {
            let count = min(rows, outputs - first) * inputs
            let panel = packed + first / rows * codec.panelBytes(inputs: packedInputs)
            nk_unpack(codec.kernel, panel, packedInputs, min(rows, outputs - first), inputs, values.pointer)
            if let index = (0..<count).first(where: { !values.pointer[$0].isFinite }) { return first * inputs + index }
        }
        return nil
    }

    public func multiply(_ input: Matrix, _ products: [Product], threads: Int) {
        withUnsafeTemporaryAllocation(of: nk_linear.self, capacity: products.count) { group in
            var count = 0
            for product in products {
                if let linear = product.linear as? PackedLinear, linear.codec == codec {
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
            codec: codec.kernel, packed: packed, packed_outputs: packedOutputs, packed_inputs: packedInputs,
            outputs: outputs, inputs: inputs, bias: bias?.pointer,
            activation: codec == .float32 ? product.activation.kernel : product.activation.roughKernel,
            multiply: product.multiplier.map { UnsafePointer($0.pointer) },
            multiply_stride: product.multiplier?.stride ?? 0,
            residual: product.residual.map { UnsafePointer($0.pointer) },
            residual_stride: product.residual?.stride ?? 0,
            output: product.output.pointer, output_stride: product.output.stride)
    }
}
