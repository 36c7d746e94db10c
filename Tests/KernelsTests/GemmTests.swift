import Glibc
import NestlingKernels
import Testing

extension KernelTests {
    @Suite struct Gemm {
        @Test(arguments: allCodecs) func oddSizes(codec: nk_codec) {
            var cases = [GemmCase]()
            for rows in 1...30 {
                for k in 0..<20 {
                    cases.append(
                        GemmCase(
                            codec, rows: rows, outputs: (rows * 7 + k * 13) % 100 + 1,
                            inputs: (rows * 11 + k * 17) % 70 + 1,
                            seed: rows * 100 + k))
                }
            }
            for outputs in 1...100 {
                cases.append(GemmCase(codec, rows: 3, outputs: outputs, inputs: 9, seed: outputs))
            }
            for outputs in 1...200 where outputs % 11 == 0 {
                cases.append(GemmCase(codec, rows: 1, outputs: outputs, inputs: 33, seed: outputs))
            }
            forEachInstructionSet { isa in
                for item in cases { item.check(item.run(), isa) }
            }
        }

        @Test(arguments: allCodecs, [(128, 256, 768), (300, 70, 130), (1, 1000, 512), (47, 129, 1030)])
        func largerSizes(codec: nk_codec, size: (rows: Int, outputs: Int, inputs: Int)) {
            let item = GemmCase(codec, rows: size.rows, outputs: size.outputs, inputs: size.inputs, seed: size.rows)
            forEachInstructionSet { isa in item.check(item.run(threads: 0), isa) }
        }

        @Test func noInputsLeaveTheEpilogue() {
            let panels = Floats(64)
            let bias = Floats([1, 2, 3])
            forEachInstructionSet { _ in
                let output = Floats(6)
                var linear = nk_linear(
                    codec: NK_CODEC_F32, packed: panels.start, packed_outputs: 3, packed_inputs: 0, outputs: 3,
                    inputs: 0,
                    bias: bias.start,
                    activation: NK_IDENTITY, multiply: nil, multiply_stride: 0, residual: nil, residual_stride: 0,
                    output: output.start, output_stride: 3)
                nk_gemm(panels.start, 0, 2, &linear, 1, 1)
                #expect(output.values == [1, 2, 3, 1, 2, 3])
                nk_gemm(panels.start, 0, 0, &linear, 1, 1)
            }
        }

        @Test(arguments: allCodecs) func outputMayBeTheResidual(codec: nk_codec) {
            let item = GemmCase(codec, rows: 17, outputs: 45, inputs: 20, seed: 5, plain: true)
            forEachInstructionSet { _ in
                let product = item.run()
                let inPlace = Floats([Float](repeating: 2, count: 17 * 45))
                var linear = item.linear(output: inPlace)
                linear.residual = UnsafePointer(inPlace.start)
                nk_gemm(item.input.start, item.inputStride, item.rows, &linear, 1, 0)
                #expect(inPlace.values == product.values.map { 2 + $0 })
            }
        }

        // MARK: - Same tokens, same bits

        @Test(arguments: allCodecs) func rowsAloneEqualRowsInABatch(codec: nk_codec) {
            forEachInstructionSet { isa in
                for seed in 0..<12 {
                    let item = GemmCase(codec, rows: 61, outputs: 150, inputs: 77, seed: seed)
                    let batch = item.run(threads: 0)
                    var begin = 0
                    for size in [1, 2, 3, 4, 5, 7, 14, 25] {
                        let output = Floats(size * item.stride)
                        var linear = item.linear(output: output)
                        linear.multiply = linear.multiply.map { $0 + begin * item.stride }
                        linear.residual = linear.residual.map { $0 + begin * item.stride }
                        nk_gemm(item.input.start + begin * item.inputStride, item.inputStride, size, &linear, 1, 1)
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

        @Test(arguments: allCodecs, [1, 3, 40, 131]) func threadsDoNotChangeBits(codec: nk_codec, rows: Int) {
            forEachInstructionSet { isa in
                let item = GemmCase(codec, rows: rows, outputs: 333, inputs: 190, seed: rows)
                let one = withThreads(1) { item.run(threads: 0).bits }
                for threads: Int32 in [2, 5] {
                    #expect(withThreads(threads) { item.run(threads: 0).bits } == one, "\(isa) \(threads) threads")
                }
            }
        }

        @Test(arguments: allCodecs) func groupedLinearsEqualSingleOnes(codec: nk_codec) {
            forEachInstructionSet { isa in
                for rows in [1, 2, 13, 50] {
                    let items = [64, 31, 100].map {
                        GemmCase(codec, rows: rows, outputs: $0, inputs: 48, seed: $0, plain: true)
                    }
                    let outputs = items.map { Floats(rows * $0.outputs) }
                    var linears = zip(items, outputs).map { $0.linear(output: $1) }
                    nk_gemm(items[0].input.start, 48, rows, &linears, 3, 0)
                    for (item, output) in zip(items, outputs) {
                        let alone = Floats(rows * item.outputs)
                        var linear = item.linear(output: alone)
                        nk_gemm(items[0].input.start, 48, rows, &linear, 1, 1)
                        #expect(alone.bits == output.bits && output.guarded, "\(isa)")
                    }
                }
            }
        }

        @Test(arguments: allCodecs) func leadingOutputsEqualThoseOfTheWhole(codec: nk_codec) {
            forEachInstructionSet { isa in
                let item = GemmCase(codec, rows: 9, outputs: 96, inputs: 40, seed: 3, plain: true)
                let whole = item.run()
                let output = Floats(9 * 50)
                var linear = item.linear(output: output)
                linear.outputs = 50
                linear.output_stride = 50
                nk_gemm(item.input.start, 40, 9, &linear, 1, 1)
                for row in 0..<9 {
                    for column in 0..<50 { #expect(output[row * 50 + column] == whole[row * 96 + column], "\(isa)") }
                }
            }
        }

        @Test(arguments: allCodecs) func notANumberStaysInItsRow(codec: nk_codec) {
            forEachInstructionSet { _ in
                let item = GemmCase(codec, rows: 20, outputs: 40, inputs: 10, seed: 1, plain: true)
                item.input.start[7 * 10 + 3] = .nan
                let result = item.run()
                for row in 0..<20 { #expect(result[row * 40 + 11].isNaN == (row == 7)) }
            }
        }
    }
}
