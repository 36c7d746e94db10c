import NestlingKernels
import Testing

extension KernelTests {
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
                            let result = Floats(nk_packed_bytes(NK_CODEC_F32, outputs, inputs) / 4)
                            bytes.withUnsafeBytes {
                                nk_pack(
                                    NK_CODEC_F32, $0.baseAddress! + offset, type, outputs, inputs,
                                    transposed ? 1 : stride,
                                    transposed ? stride : 1, result.start, outputs, 0, 0)
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
                            nk_unpack(NK_CODEC_F32, result.start, inputs, rows, columns, back.start)
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
