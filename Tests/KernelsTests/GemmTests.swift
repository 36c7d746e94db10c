import Glibc
import Kernels
import Testing

extension KernelTests {
    @Suite struct Gemm {
        /// One product with everything around it chosen at random.
        struct Case {
            let rows: Int, outputs: Int, inputs: Int
            let packedOutputs: Int, packedInputs: Int
            let input: Floats, inputStride: Int
            let weight: [Float], panels: Floats
            let bias: Floats?, multiply: Floats?, residual: Floats?
            let stride: Int, activation: nk_activation

            init(rows: Int, outputs: Int, inputs: Int, seed: Int, plain: Bool = false) {
                var random = Generator(seed)
                self.rows = rows
                self.outputs = outputs
                self.inputs = inputs
                packedOutputs = plain ? outputs : outputs + Int(random.next() % 40)
                packedInputs = plain ? inputs : inputs + Int(random.next() % 9)
                inputStride = plain ? inputs : inputs + Int(random.next() % 5)
                stride = plain ? outputs : outputs + Int(random.next() % 5)
                input = Floats(random.floats(rows * inputStride), misalignment: plain ? 0 : Int(random.next() % 3))
                weight = random.floats(packedOutputs * packedInputs)
                panels = packed(weight, outputs: packedOutputs, inputs: packedInputs)
                let chosen = plain ? 0 : random.next()
                bias = chosen & 1 == 1 ? Floats(random.floats(outputs), misalignment: 1) : nil
                multiply = chosen & 2 == 2 ? Floats(random.floats(rows * stride), misalignment: 3) : nil
                residual = chosen & 4 == 4 ? Floats(random.floats(rows * stride), misalignment: 2) : nil
                activation = plain ? NK_IDENTITY : allActivations[Int(chosen >> 8 % 9)]
            }

            func linear(output: Floats) -> nk_linear_f32 {
                nk_linear_f32(
                    packed: panels.start, packed_inputs: packedInputs, inputs: inputs, outputs: outputs,
                    bias: bias?.start, activation: activation, multiply: multiply?.start, multiply_stride: stride,
                    residual: residual?.start, residual_stride: stride, output: output.start, output_stride: stride)
            }

            func run(threads: Int32 = 1) -> Floats {
                let output = Floats(rows * stride, misalignment: 1)
                var linear = linear(output: output)
                nk_gemm_f32(input.start, inputStride, rows, &linear, 1, threads)
                return output
            }

            /// The value in float64, and what its rounding may have changed.
            func expected(_ row: Int, _ output: Int) -> (value: Double, tolerance: Double) {
                var sum = 0.0, size = 0.0
                for i in 0..<inputs {
                    let product = Double(input[row * inputStride + i]) * Double(weight[output * packedInputs + i])
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
                #expect(worst <= 1 && result.guarded, "\(isa) \(rows) x \(outputs) x \(inputs) \(activation)")
            }
        }

        @Test func oddSizes() {
            var cases = [Case]()
            for rows in 1...30 {
                for k in 0..<20 {
                    cases.append(
                        Case(
                            rows: rows, outputs: (rows * 7 + k * 13) % 100 + 1, inputs: (rows * 11 + k * 17) % 70 + 1,
                            seed: rows * 100 + k))
                }
            }
            for outputs in 1...100 { cases.append(Case(rows: 3, outputs: outputs, inputs: 9, seed: outputs)) }
            for outputs in 1...200 where outputs % 11 == 0 {
                cases.append(Case(rows: 1, outputs: outputs, inputs: 33, seed: outputs))
            }
            forEachInstructionSet { isa in
                for item in cases { item.check(item.run(), isa) }
            }
        }

        @Test(arguments: [(128, 256, 768), (300, 70, 130), (1, 1000, 512), (47, 129, 1030)])
        func largerSizes(rows: Int, outputs: Int, inputs: Int) {
            let item = Case(rows: rows, outputs: outputs, inputs: inputs, seed: rows)
            forEachInstructionSet { isa in item.check(item.run(threads: 0), isa) }
        }

        @Test func noInputsLeaveTheEpilogue() {
            let panels = Floats(64)
            let bias = Floats([1, 2, 3])
            forEachInstructionSet { _ in
                let output = Floats(6)
                var linear = nk_linear_f32(
                    packed: panels.start, packed_inputs: 0, inputs: 0, outputs: 3, bias: bias.start,
                    activation: NK_IDENTITY, multiply: nil, multiply_stride: 0, residual: nil, residual_stride: 0,
                    output: output.start, output_stride: 3)
                nk_gemm_f32(panels.start, 0, 2, &linear, 1, 1)
                #expect(output.values == [1, 2, 3, 1, 2, 3])
                nk_gemm_f32(panels.start, 0, 0, &linear, 1, 1)
            }
        }

        @Test func outputMayBeTheResidual() {
            let item = Case(rows: 17, outputs: 45, inputs: 20, seed: 5, plain: true)
            forEachInstructionSet { _ in
                let product = item.run()
                let inPlace = Floats([Float](repeating: 2, count: 17 * 45))
                var linear = item.linear(output: inPlace)
                linear.residual = UnsafePointer(inPlace.start)
                nk_gemm_f32(item.input.start, item.inputStride, item.rows, &linear, 1, 0)
                #expect(inPlace.values == product.values.map { 2 + $0 })
            }
        }

        // MARK: - Same tokens, same bits

        @Test func rowsAloneEqualRowsInABatch() {
            forEachInstructionSet { isa in
                for seed in 0..<12 {
                    let item = Case(rows: 61, outputs: 150, inputs: 77, seed: seed)
                    let batch = item.run(threads: 0)
                    var begin = 0
                    for size in [1, 2, 3, 4, 5, 7, 14, 25] {
                        let output = Floats(size * item.stride)
                        var linear = item.linear(output: output)
                        linear.multiply = linear.multiply.map { $0 + begin * item.stride }
                        linear.residual = linear.residual.map { $0 + begin * item.stride }
                        nk_gemm_f32(item.input.start + begin * item.inputStride, item.inputStride, size, &linear, 1, 1)
                        for row in 0..<size {
                            for column in 0..<item.outputs {
                                let alone = output[row * item.stride + column].bitPattern
                                let together = batch[(begin + row) * item.stride + column].bitPattern
                                if alone != together {
                                    Issue.record("\(isa): row \(begin + row) differs alone in \(size) rows")
                                    return
                                }
                            }
                        }
                        begin += size
                    }
                }
            }
        }

        @Test(arguments: [1, 3, 40, 131]) func threadsDoNotChangeBits(rows: Int) {
            forEachInstructionSet { isa in
                let item = Case(rows: rows, outputs: 333, inputs: 190, seed: rows)
                let one = withThreads(1) { item.run(threads: 0).bits }
                for threads: Int32 in [2, 5] {
                    #expect(withThreads(threads) { item.run(threads: 0).bits } == one, "\(isa) \(threads) threads")
                }
            }
        }

        @Test func groupedLinearsEqualSingleOnes() {
            forEachInstructionSet { isa in
                for rows in [1, 2, 13, 50] {
                    let items = [64, 31, 100].map { Case(rows: rows, outputs: $0, inputs: 48, seed: $0, plain: true) }
                    let outputs = items.map { Floats(rows * $0.outputs) }
                    var linears = zip(items, outputs).map { $0.linear(output: $1) }
                    nk_gemm_f32(items[0].input.start, 48, rows, &linears, 3, 0)
                    for (item, output) in zip(items, outputs) {
                        let alone = Floats(rows * item.outputs)
                        var linear = item.linear(output: alone)
                        nk_gemm_f32(items[0].input.start, 48, rows, &linear, 1, 1)
                        #expect(alone.bits == output.bits && output.guarded, "\(isa)")
                    }
                }
            }
        }

        @Test func leadingOutputsEqualThoseOfTheWhole() {
            forEachInstructionSet { isa in
                let item = Case(rows: 9, outputs: 96, inputs: 40, seed: 3, plain: true)
                let whole = item.run()
                let output = Floats(9 * 50)
                var linear = item.linear(output: output)
                linear.outputs = 50
                linear.output_stride = 50
                nk_gemm_f32(item.input.start, 40, 9, &linear, 1, 1)
                for row in 0..<9 {
                    for column in 0..<50 { #expect(output[row * 50 + column] == whole[row * 96 + column], "\(isa)") }
                }
            }
        }

        @Test func notANumberStaysInItsRow() {
            forEachInstructionSet { _ in
                let item = Case(rows: 20, outputs: 40, inputs: 10, seed: 1, plain: true)
                item.input.start[7 * 10 + 3] = .nan
                let result = item.run()
                for row in 0..<20 { #expect(result[row * 40 + 11].isNaN == (row == 7)) }
            }
        }
    }

    @Suite struct Packing {
        /// f16 and bf16 values are exact in float32, so packing must reproduce them.
        @Test func anyTypeAlignmentAndStride() {
            forEachInstructionSet { isa in
                for (outputs, inputs) in [(1, 1), (31, 5), (32, 64), (33, 17), (70, 130), (3, 65)] {
                    for type in [NK_F32, NK_F16, NK_BF16] {
                        for (transposed, offset) in [(false, 0), (false, 1), (true, 0), (true, 3)] {
                            var random = Generator(outputs + inputs)
                            let size = type == NK_F32 ? 4 : 2
                            let stride = transposed ? outputs + 2 : inputs + 3
                            var bytes = [UInt8](repeating: 0, count: offset)
                            var values = [Float]()
                            for _ in 0..<(transposed ? inputs : outputs) * stride {
                                let value = random.float()
                                let exact: Float
                                switch type {
                                case NK_F16:
                                    let half = Float16(value)
                                    exact = Float(half)
                                    withUnsafeBytes(of: half.bitPattern) { bytes.append(contentsOf: $0) }
                                case NK_BF16:
                                    let half = UInt16(value.bitPattern >> 16)
                                    exact = Float(bitPattern: UInt32(half) << 16)
                                    withUnsafeBytes(of: half) { bytes.append(contentsOf: $0) }
                                default:
                                    exact = value
                                    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
                                }
                                values.append(exact)
                            }
                            #expect(bytes.count == offset + values.count * size)
                            let result = Floats(nk_packed_f32_size(outputs, inputs))
                            bytes.withUnsafeBytes {
                                nk_pack_f32(
                                    $0.baseAddress! + offset, type, outputs, inputs, transposed ? 1 : stride,
                                    transposed ? stride : 1, result.start, 0)
                            }
                            let label = "\(isa) \(type) \(outputs) x \(inputs) \(transposed) \(offset)"
                            var wrong = 0
                            for output in 0..<(outputs + 31) / 32 * 32 {
                                for input in 0..<inputs {
                                    let expected =
                                        output >= outputs
                                        ? 0
                                        : transposed ? values[input * stride + output] : values[output * stride + input]
                                    if result[(output / 32 * inputs + input) * 32 + output % 32] != expected {
                                        wrong += 1
                                    }
                                }
                            }
                            #expect(wrong == 0 && result.guarded, "\(label)")

                            let rows = max(1, outputs - 1), columns = max(1, inputs - 1)
                            let back = Floats(rows * columns)
                            nk_unpack_f32(result.start, inputs, rows, columns, back.start)
                            for row in 0..<rows {
                                for column in 0..<columns {
                                    let value = result[(row / 32 * inputs + column) * 32 + row % 32]
                                    if back[row * columns + column] != value { wrong += 1 }
                                }
                            }
                            #expect(wrong == 0 && back.guarded, "\(label)")
                        }
                    }
                }
            }
        }

        /// Every half there is: subnormals, infinities, NaN.
        @Test func allHalves() {
            let halves = (0...UInt16.max).map { $0 }
            forEachInstructionSet { isa in
                let result = Floats(65536)
                nk_to_f32(halves, NK_F16, 65536, result.start)
                var wrong = 0
                for bits in halves {
                    let expected = Float(Float16(bitPattern: bits)), value = result[Int(bits)]
                    if expected.isNaN ? !value.isNaN : value.bitPattern != expected.bitPattern { wrong += 1 }
                }
                nk_to_f32(halves, NK_BF16, 65536, result.start)
                for bits in halves where result[Int(bits)].bitPattern != UInt32(bits) << 16 { wrong += 1 }
                #expect(wrong == 0, "\(isa)")
            }
        }
    }
}
