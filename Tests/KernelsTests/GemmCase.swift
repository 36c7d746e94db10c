import Glibc
import NestlingKernels
import Testing

/// One product with everything around it chosen at random.
struct GemmCase {
    let codec: nk_codec
    let rows: Int, outputs: Int, inputs: Int
    let packedOutputs: Int, packedInputs: Int
    let input: Floats, inputStride: Int
    let panels: Floats
    /// What the codec makes of input and weight.
    let seenInputs: [[Double]], seenWeights: [[Double]]
    let bias: Floats?, multiply: Floats?, residual: Floats?
    let stride: Int, activation: nk_activation

    init(_ codec: nk_codec, rows: Int, outputs: Int, inputs: Int, seed: Int, plain: Bool = false) {
        self.codec = codec
        var random = Generator(seed)
        self.rows = rows
        self.outputs = outputs
        self.inputs = inputs
        packedOutputs = plain ? outputs : outputs + Int(random.next() % 40)
        packedInputs = plain ? inputs : inputs + Int(random.next() % 9)
        inputStride = plain ? inputs : inputs + Int(random.next() % 5)
        stride = plain ? outputs : outputs + Int(random.next() % 5)
        let values = random.floats(rows * inputStride)
        input = Floats(values, misalignment: plain ? 0 : Int(random.next() % 3))
        seenInputs = (0..<rows).map { [inputStride] in
            seenInput(codec, [Float](values[$0 * inputStride..<$0 * inputStride + inputs]))
        }
        let weight = random.floats(packedOutputs * packedInputs)
        panels = packed(weight, outputs: packedOutputs, inputs: packedInputs, codec: codec)
        seenWeights = KernelsTests.seenWeights(
            codec, weight, outputs: packedOutputs, inputs: packedInputs, packed: panels)
        let chosen = plain ? 0 : random.next()
        bias = chosen & 1 == 1 ? Floats(random.floats(outputs), misalignment: 1) : nil
        multiply = chosen & 2 == 2 ? Floats(random.floats(rows * stride), misalignment: 3) : nil
        residual = chosen & 4 == 4 ? Floats(random.floats(rows * stride), misalignment: 2) : nil
        activation = plain ? NK_IDENTITY : allActivations[Int(chosen >> 8 % 9)]
    }

    func linear(output: Floats) -> nk_linear {
        nk_linear(
            codec: codec, packed: panels.start, packed_outputs: packedOutputs, packed_inputs: packedInputs,
            outputs: outputs, inputs: inputs,
            bias: bias?.start, activation: activation, multiply: multiply?.start, multiply_stride: stride,
            residual: residual?.start, residual_stride: stride, output: output.start, output_stride: stride)
    }

    func run(threads: Int32 = 1) -> Floats {
        let output = Floats(rows * stride, misalignment: 1)
        var linear = linear(output: output)
        nk_gemm(input.start, inputStride, rows, &linear, 1, threads)
        return output
    }

    /// The value in float64, and what its rounding may have changed.
    func expected(_ row: Int, _ output: Int) -> (value: Double, tolerance: Double) {
        var sum = 0.0, size = 0.0
        for i in 0..<inputs {
            let product = seenInputs[row][i] * seenWeights[output][i]
            sum += product
            size += abs(product)
        }
        if let bias { sum += Double(bias[output]) }
        var tolerance = (4 + 2 * Double(inputs).squareRoot()) * 6e-8 * (size + 1)
        if activation == NK_RELU_SQUARED { tolerance *= 2 * abs(sum) + 1 }
        var value = reference(activation, sum)
        tolerance += 3e-7 * max(1, abs(value))
        if let multiply { value *= Double(multiply[row * stride + output]) }
        if let residual { value += Double(residual[row * stride + output]) }
        return (value, tolerance + 1e-7 * abs(value))
    }

    func check(_ result: Floats, _ isa: String) {
        var worst = 0.0
        for row in 0..<rows {
            for output in 0..<outputs {
                let (value, tolerance) = expected(row, output)
                let error = abs(Double(result[row * stride + output]) - value) / tolerance
                worst = error.isNaN ? .infinity : max(worst, error)
            }
            for gap in outputs..<stride where result[row * stride + gap] != Floats.untouched {
                worst = .infinity
            }
        }
        #expect(worst <= 1 && result.guarded, "\(isa) \(codec) \(rows) x \(outputs) x \(inputs) \(activation)")
    }
}
