import NestlingBasics
import NestlingKernels
import NestlingTensors

/// One kernel on data of one size, to be run and timed: what `nestling bench` measures without a model.
public struct KernelCase {
    /// What it is, for a table: `product 1024 x 768 -> 3072`.
    public let name: String
    /// In what weights are kept; `nil` for kernels without.
    public let codec: Codec?
    /// Operations of one run, two for a multiply-add; 0 for what is bound by memory.
    public let operations: Double
    /// Bytes that one run must read from memory at least; 0 for what is bound by arithmetic.
    public let bytes: Double
    /// What bounds it.
    public let peak: Peak
    /// Runs it once.
    public let run: () -> Void

    /// What one run takes of what bounds it: operations or bytes.
    public var amount: Double { peak == .read ? bytes : operations }

    /// Products `[rows, inputs] x [inputs, outputs]`, as a linear layer with a bias does them, on rows spread as a network's are.
    public static func product(rows: Int, inputs: Int, outputs: Int, codec: Codec) throws(Failure) -> KernelCase {
        let weights = try RandomMatrix(rows: outputs, columns: inputs, scale: 0.05)
        let linear = try PackedLinear(
            packing: weights.stored, as: codec, bias: Vector([Float](repeating: 0.1, count: outputs)))
        let input = try RandomMatrix(
            rows: rows, columns: inputs, scale: 1, stride: Workspace.spreadStride(inputs))
        let output = try RandomMatrix(
            rows: rows, columns: outputs, scale: 0, stride: Workspace.spreadStride(outputs))
        return KernelCase(
            name: "product \(rows) x \(inputs) -> \(outputs)", codec: codec,
            operations: 2 * Double(rows) * Double(inputs) * Double(outputs), bytes: 0, peak: Peak(of: codec)
        ) {
            input.matrix.multiply(Product(linear, output: output.matrix), threads: 0)
        }
    }

    /// One row by matrices that together are in no cache, one after the other: what generating a token does.
    public static func row(inputs: Int, outputs: Int, codec: Codec) throws(Failure) -> KernelCase {
        let weights = try RandomMatrix(rows: outputs, columns: inputs, scale: 0.05)
        let bytes = Codec.panels(outputs: outputs) * codec.panelBytes(inputs: inputs)
        var linears: [PackedLinear] = []
        for _ in 0..<max(2, (256 << 20) / bytes + 1) {
            linears.append(try PackedLinear(packing: weights.stored, as: codec, bias: nil))
        }
        let (copies, last) = (linears, Counter())
        let input = try RandomMatrix(rows: 1, columns: inputs, scale: 1)
        let output = try RandomMatrix(rows: 1, columns: outputs, scale: 0)
        return KernelCase(
            name: "row x \(inputs) -> \(outputs), out of cache", codec: codec, operations: 0, bytes: Double(bytes),
            peak: .read
        ) {
            last.value = (last.value + 1) % copies.count
            input.matrix.multiply(Product(copies[last.value], output: output.matrix), threads: 0)
        }
    }

    /// Attention over `sequences` of `length` tokens.
    public static func attention(
        sequences: Int, length: Int, heads: Int, headSize: Int, in type: StoredType
    ) throws(Failure) -> KernelCase {
        let (tokens, width) = (sequences * length, heads * headSize)
        let query = try RandomMatrix(rows: tokens, columns: width, scale: 1)
        let key = try RandomMatrix(rows: tokens, columns: width, scale: 1)
        let value = try RandomMatrix(rows: tokens, columns: width, scale: 1)
        let output = try RandomMatrix(rows: tokens, columns: width, scale: 0)
        let offsets = (0...sequences).map { $0 * length }
        return KernelCase(
            name: "attention \(sequences) x \(length), \(heads) heads of \(headSize)",
            codec: type == .bfloat16 ? .bfloat16 : .float32,
            operations: 4 * Double(sequences) * Double(length) * Double(length) * Double(width), bytes: 0,
            peak: type == .bfloat16 ? .bfloat16 : .float32
        ) {
            offsets.withUnsafeBufferPointer { offsets in
                guard let first = offsets.baseAddress else { return }
                var arguments = nk_attention_f32_arguments(
                    query: query.matrix.pointer, query_stride: width, key: key.matrix.pointer, key_stride: width,
                    value: value.matrix.pointer, value_stride: width, output: output.matrix.pointer,
                    output_stride: width, heads: heads, key_heads: heads, head_size: headSize, offsets: first,
                    sequences: sequences, query_offsets: nil, query_tokens: nil,
                    scale: 1 / Float(headSize).squareRoot(), softcap: 0, causal: 0, window: -1,
                    positions: nil, key_bias: nil, alibi_slopes: nil, relative_bias: nil, relative_radius: 0,
                    key_type: NK_F32,
                    value_type: NK_F32, precision: type.kernel)
                nk_attention_f32(&arguments, 0)
            }
        }
    }

    /// LayerNorm of rows that are in no cache.
    public static func layerNorm(rows: Int, columns: Int) throws(Failure) -> KernelCase {
        let input = try RandomMatrix(rows: rows, columns: columns, scale: 1)
        let weight = try Vector([Float](repeating: 1, count: columns))
        return KernelCase(
            name: "layer norm \(rows) x \(columns)", codec: nil, operations: 0,
            bytes: Double(2 * rows * columns * MemoryLayout<Float>.stride), peak: .read
        ) {
            nk_layer_norm(
                input.matrix.pointer, columns, nil, 0, rows, columns, weight.pointer, weight.pointer, 1e-5,
                input.matrix.pointer, columns, 0)
        }
    }

    /// An activation, in place, of rows that are in no cache.
    public static func activation(_ activation: Activation, rows: Int, columns: Int) throws(Failure) -> KernelCase {
        let values = try RandomMatrix(rows: rows, columns: columns, scale: 1)
        return KernelCase(
            name: "\(activation.rawValue) \(rows) x \(columns)", codec: nil, operations: 0,
            bytes: Double(2 * rows * columns * MemoryLayout<Float>.stride), peak: .read
        ) {
            nk_activate(values.matrix.pointer, columns, rows, columns, activation.kernel, 0)
        }
    }
}

extension KernelCase {
    /// The cases that say how good the kernels are here: a BERT's products in every codec, single rows, attention, and what
    /// is done to each element alone.
    public static func standard() throws(Failure) -> [KernelCase] {
        var cases: [KernelCase] = []
        for codec in Codec.allCases {
            cases.append(try product(rows: 1024, inputs: 768, outputs: 3072, codec: codec))
            cases.append(try product(rows: 1024, inputs: 3072, outputs: 768, codec: codec))
            cases.append(try product(rows: 16, inputs: 768, outputs: 768, codec: codec))
            cases.append(try row(inputs: 4096, outputs: 4096, codec: codec))
        }
        for (sequences, length) in [(64, 16), (8, 128), (1, 512)] {
            for type in [StoredType.float32, .bfloat16] {
                cases.append(try attention(sequences: sequences, length: length, heads: 12, headSize: 64, in: type))
            }
        }
        cases.append(try layerNorm(rows: 16384, columns: 768))
        cases.append(try activation(.gelu, rows: 16384, columns: 768))
        return cases
    }
}

/// Which of several matrices is next.
private final class Counter {
    var value = 0
}

/// Numbers in memory of their own, the same in every run: uniform in `-scale ... scale`.
private struct RandomMatrix {
    private let storage: AlignedStorage
    let matrix: Matrix

    init(rows: Int, columns: Int, scale: Float, stride: Int? = nil) throws(Failure) {
        let stride = stride ?? columns
        storage = try AlignedStorage(count: rows * stride)
        var state: UInt32 = 1
        for index in 0..<rows * stride {
            state = state &* 1_664_525 &+ 1_013_904_223
            storage.pointer[index] = scale * (Float(state >> 8) / Float(1 << 23) - 1)
        }
        matrix = Matrix(storage.pointer, rows: rows, columns: columns, stride: stride)
    }

    /// The numbers of a matrix whose rows follow each other without gaps.
    var stored: StoredMatrix {
        StoredMatrix(
            bytes: storage.pointer, type: .float32, rows: matrix.rows, columns: matrix.columns, owner: storage)
    }
}
