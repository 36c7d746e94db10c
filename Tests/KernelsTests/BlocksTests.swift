import NestlingKernels
import Testing

extension KernelTests {
    /// The blocks of ggml: see also TensorsTests, which compare with gguf-py.
    @Suite struct BlocksTests {
        private static let types: [(nk_dtype, elements: Int, bytes: Int)] = [
            (NK_Q4_0, 32, 18), (NK_Q4_1, 32, 20), (NK_Q5_0, 32, 22), (NK_Q5_1, 32, 24), (NK_Q8_0, 32, 34),
            (NK_Q4_K, 256, 144), (NK_Q5_K, 256, 176), (NK_Q6_K, 256, 210),
            (NK_Q2_K, 256, 84), (NK_Q3_K, 256, 110), (NK_IQ4_NL, 32, 18), (NK_IQ4_XS, 256, 136), (NK_MXFP4, 32, 17),
            (NK_TQ1_0, 256, 54), (NK_TQ2_0, 256, 66),
        ]

        @Test func sizesAreThoseOfGGML() {
            for (type, elements, bytes) in Self.types {
                #expect(nk_dtype_block(type) == elements && nk_dtype_bytes(type, 3 * elements) == 3 * bytes)
            }
        }

        /// Packed panels and gathered rows hold what the blocks mean, at any alignment, in every instruction set.
        @Test func packingAndGatheringDecode() {
            var generator = Generator(11)
            let (rows, columns) = (39, 512)
            for (type, _, _) in Self.types {
                let rowBytes = nk_dtype_bytes(type, columns)
                // Scales of two bytes below 0x3C00 are less than 1.
                var bytes = (0..<1 + rows * rowBytes).map { _ in UInt8.random(in: 0...59, using: &generator) }
                bytes.withUnsafeMutableBytes { buffer in
                    guard let source = buffer.baseAddress.map({ UnsafeRawPointer($0 + 1) }) else { return }
                    var first: [UInt32]?
                    forEachInstructionSet { name in
                        var expected = [Float](repeating: .nan, count: rows * columns)
                        nk_to_f32(source, type, rows * columns, &expected)
                        #expect(first == nil || first == expected.map(\.bitPattern), "\(type) \(name)")
                        first = expected.map(\.bitPattern)
                        var packed = [Float](repeating: .nan, count: nk_packed_bytes(NK_CODEC_F32, rows, columns) / 4)
                        var unpacked = [Float](repeating: .nan, count: rows * columns)
                        nk_pack(NK_CODEC_F32, source, type, rows, columns, columns, 1, &packed, rows, 0, 1)
                        nk_unpack(NK_CODEC_F32, packed, columns, rows, columns, &unpacked)
                        #expect(unpacked == expected, "\(type) \(name)")
                        var gathered = [Float](repeating: .nan, count: 2 * columns)
                        nk_gather(source, type, columns, [38, 2], 2, 1, 0, &gathered, columns, 1)
                        let (last, third) = (38 * columns, 2 * columns)
                        let rows = Array(expected[last...]) + Array(expected[third..<third + columns])
                        #expect(gathered == rows, "\(type) \(name)")
                    }
                }
            }
        }
    }
}
