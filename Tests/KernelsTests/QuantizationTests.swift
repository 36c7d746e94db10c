import NestlingKernels
import Testing

extension KernelTests {
    /// What is special about codecs that round: bfloat16, int8, int4.
    @Suite struct Quantization {
        /// Multiplies rows with weights, without anything around it.
        static func product(
            _ codec: nk_codec, _ rows: [[Float]], _ weights: [[Float]], inputs: Int? = nil, threads: Int32 = 1
        ) -> [[Float]] {
            let count = weights[0].count, outputs = weights.count
            let panels = packed(weights.flatMap { $0 }, outputs: outputs, inputs: count, codec: codec)
            let output = Floats(rows.count * outputs)
            var linear = nk_linear(
                codec: codec, packed: panels.start, packed_outputs: outputs, packed_inputs: count, outputs: outputs,
                inputs: inputs ?? count,
                bias: nil, activation: NK_IDENTITY, multiply: nil, multiply_stride: 0, residual: nil,
                residual_stride: 0, output: output.start, output_stride: outputs)
            nk_gemm(rows.flatMap { $0 }, count, rows.count, &linear, 1, threads)
            return (0..<rows.count).map { row in (0..<outputs).map { output[row * outputs + $0] } }
        }

        /// Sums of whole numbers are exact, and what follows is the same operations in the same order: so every instruction
        /// set gives the bits of plain C.
        @Test(arguments: [NK_CODEC_I8, NK_CODEC_I4]) func wholeNumbersGiveTheSameBitsEverywhere(codec: nk_codec) {
            var random = Generator(11)
            let weights = (0..<45).map { _ in random.floats(301) }
            let rows = (0..<31).map { _ in random.floats(301, -3...3) }
            for inputs in [301, 300, 288, 257, 33, 32, 31, 17, 4, 3, 1] {
                var expected: [[Float]]?
                forEachInstructionSet { isa in
                    for count in [31, 5, 2, 1] {
                        let result = Self.product(codec, [[Float]](rows[..<count]), weights, inputs: inputs)
                        if expected == nil { expected = result }
                        #expect(result == [[Float]](expected![..<count]), "\(isa) \(inputs) \(count)")
                    }
                }
            }
        }

        /// The greatest sums there are, and rows too long for one sum of 32 bits.
        @Test func longRowsDoNotOverflow() {
            for count in [65_536, 65_537, 131_072, 131_076, 262_147] {
                let ones = [Float](repeating: 1, count: count)
                let mixed = (0..<count).map { Float($0 % 254 - 126) }  // 253 steps of 1
                let weights = [ones, ones.map { -$0 }, mixed]
                let square = mixed.reduce(0.0) { $0 + Double($1) * Double($1) },
                    sum = mixed.reduce(0.0) { $0 + Double($1) }
                let expected = [[Double(count), -Double(count), sum], [sum, -sum, square]]
                forEachInstructionSet { isa in
                    let result = Self.product(NK_CODEC_I8, [ones, mixed], weights)
                    for (row, values) in expected.enumerated() {
                        for (output, value) in values.enumerated() {
                            #expect(
                                abs(Double(result[row][output]) - value) <= 1e-6 * max(abs(value), Double(count)),
                                "\(isa) \(count)")
                        }
                    }
                }
            }
        }

        /// The bytes of a packed matrix may be written to a file and read on another machine.
        @Test(arguments: allCodecs) func packedBytesDoNotDependOnTheInstructionSet(codec: nk_codec) {
            var random = Generator(21)
            var weights = random.floats(77 * 133)
            weights[5] = .nan
            weights[500] = .infinity
            weights[1000] = 1e-38
            var expected: [UInt32]?
            forEachInstructionSet { isa in
                let result = packed(weights, outputs: 77, inputs: 133, codec: codec).bits
                if expected == nil { expected = result }
                #expect(result == expected, "\(isa)")
            }
        }

        /// A group's weights are rebuilt within the error that the search promises; weights that were four-bit numbers come
        /// back as they were, up to the rounding of their scale to bfloat16.
        @Test func fourBitsKeepWhatTheyCan() {
            var random = Generator(31)
            let outputs = 64, inputs = 256
            let normal = (0..<outputs * inputs).map { _ in
                (0..<12).reduce(Float(-6)) { sum, _ in sum + random.float(0...1) } * 0.02
            }
            let coarse = (0..<outputs * inputs).map {
                Float(Int(random.next() % 16) - 8) * 0.01 * Float($0 / inputs + 1)
            }
            let sparse = normal.map { random.flag() ? 0 : $0 }
            forEachInstructionSet { isa in
                for (weights, most) in [(normal, 0.078), (coarse, 0.004), (sparse, 0.078)] {
                    let panels = packed(weights, outputs: outputs, inputs: inputs, codec: NK_CODEC_I4)
                    let back = Floats(outputs * inputs)
                    nk_unpack(NK_CODEC_I4, panels.start, inputs, outputs, inputs, back.start)
                    var error = 0.0, size = 0.0, lost = 0
                    for (index, weight) in weights.enumerated() {
                        error += Double((weight - back[index]) * (weight - back[index]))
                        size += Double(weight * weight)
                        if weight == 0 && back[index] != 0 { lost += 1 }
                    }
                    #expect((error / size).squareRoot() < most && lost == 0, "\(isa)")
                }
            }
        }

        @Test func specialRowsStayAlone() {
            var random = Generator(5)
            let weights = (0..<40).map { _ in random.floats(37) }
            let ordinary = random.floats(37)
            var rows = [ordinary, ordinary, ordinary, ordinary, ordinary, ordinary, ordinary]
            rows[1][5] = .nan
            rows[2][36] = .infinity
            rows[3] = [Float](repeating: 0, count: 37)
            rows[4][0] = -.infinity
            rows[5] = [Float](repeating: 1e-38, count: 37)
            forEachInstructionSet { isa in
                for codec in allCodecs {
                    let result = Self.product(codec, rows, weights)
                    let alone = Self.product(codec, [ordinary], weights)[0]
                    #expect(result[0] == alone && result[6] == alone, "\(isa) \(codec)")
                    for row in [1, 2, 4] { #expect(result[row].allSatisfy { !$0.isFinite }, "\(isa) \(codec) \(row)") }
                    #expect(result[3].allSatisfy { $0 == 0 }, "\(isa) \(codec)")
                    #expect(result[5].allSatisfy { abs($0) < 1e-35 }, "\(isa) \(codec)")
                }
            }
        }

        @Test func specialWeightsStayAlone() {
            var random = Generator(6)
            let ordinary = (0..<40).map { _ in random.floats(37) }
            var weights = ordinary
            weights[3][7] = .nan
            weights[4][36] = .infinity
            weights[9] = [Float](repeating: 0, count: 37)
            weights[35] = [Float](repeating: .leastNonzeroMagnitude * 100, count: 37)
            let rows = [random.floats(37), random.floats(37)]
            forEachInstructionSet { isa in
                for codec in allCodecs {
                    let result = Self.product(codec, rows, weights)
                    let expected = Self.product(codec, rows, ordinary)
                    for row in 0..<2 {
                        for output in 0..<40 {
                            switch output {
                            case 3, 4: #expect(!result[row][output].isFinite, "\(isa) \(codec) \(output)")
                            case 9: #expect(result[row][output] == 0, "\(isa) \(codec)")
                            case 35: #expect(abs(result[row][output]) < 1e-36, "\(isa) \(codec)")
                            default: #expect(result[row][output] == expected[row][output], "\(isa) \(codec) \(output)")
                            }
                        }
                    }
                }
            }
        }

        /// Numbers halfway between two of bfloat16, and their neighbours; subnormal ones count as 0 in VDPBF16PS.
        @Test func bfloat16RoundsToNearestEven() {
            var values = [Float]()
            for bits: UInt32 in [
                0x3f80_0000, 0x3f81_0000, 0x3fff_0000, 0x7f7f_0000, 0x0080_0000, 0x007f_0000, 0, 0x4049_0000,
            ] {
                for low: UInt32 in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                    for sign: UInt32 in [0, 0x8000_0000] { values.append(Float(bitPattern: sign | bits | low)) }
                }
            }
            let identity: [[Float]] = (0..<values.count).map { row in (0..<values.count).map { $0 == row ? 1 : 0 } }
            let expected = values.map(roundedToBFloat16)
            forEachInstructionSet { isa in
                let panels = packed(values, outputs: values.count, inputs: 1, codec: NK_CODEC_BF16)
                let back = Floats(values.count)
                nk_unpack(NK_CODEC_BF16, panels.start, 1, values.count, 1, back.start)
                #expect(back.bits == expected.map(\.bitPattern), "\(isa)")
                let finite = values.map { abs(roundedToBFloat16($0)).isFinite ? $0 : 1 }
                let result = Self.product(NK_CODEC_BF16, [finite], identity)[0]
                for (value, seen) in zip(finite, result) {
                    let rounded = roundedToBFloat16(value)
                    #expect(
                        seen == rounded || (abs(value) < Float.leastNormalMagnitude && seen == 0), "\(isa) \(value)")
                }
            }
        }
    }
}
