import Glibc
import NestlingKernels
import Testing

/// Numbers of 16 bits at an address that is a multiple of 2 only.
final class StoredNumbers {
    let type: nk_dtype
    let start: UnsafeRawPointer
    private let memory: UnsafeMutableRawPointer

    /// `values` must be numbers that `type` can hold.
    init(_ values: Floats, _ type: nk_dtype) {
        self.type = type
        memory = .allocate(byteCount: 2 * values.count + 2, alignment: 64)
        start = UnsafeRawPointer(memory + 2)
        for index in 0..<values.count {
            let bits = type == NK_F16 ? Float16(values[index]).bitPattern : UInt16(values[index].bitPattern >> 16)
            memory.storeBytes(of: bits, toByteOffset: 2 + 2 * index, as: UInt16.self)
        }
    }
    deinit { memory.deallocate() }
}

/// To nearest, ties to even.
private func roundedToBF16(_ x: Float) -> Float {
    Float(bitPattern: (x.bitPattern + 0x7fff + (x.bitPattern >> 16 & 1)) & 0xffff_0000)
}

extension AttentionCase {
    /// The same case in bf16 with operands that need no rounding, so that the reference sees what the kernel multiplies.
    mutating func useBF16() {
        precision = NK_BF16
        for operand in [query, key, value] {
            for index in 0..<operand.count { operand.start[index] = roundedToBF16(operand[index]) }
        }
    }
}

extension KernelTests {
    @Suite struct AttentionPrecision {
        /// Each weight is off by up to e = 2^-8 + 2^-13.7, so a mean of values up to 1 by up to 2 e.
        @Test(arguments: [1, 5, 32, 64, 80, 128, 256, 300]) func bf16(size: Int) {
            for choice in 0..<128 where choice % 7 == 0 {
                var random = Generator(choice)
                var item = AttentionCase(
                    heads: 4, keyHeads: [4, 2, 1][choice % 3], size: size, offsets: [0, 1, 9, 9, 42, 59], seed: choice)
                item.addBiases(choice, random: &random)
                item.useBF16()
                let expected = item.expected()
                forEachInstructionSet { isa in
                    let error = item.worstError(item.run(), expected)
                    #expect(error < 0.0079, "\(isa) head size \(size), rules \(choice): \(error)")
                }
            }
        }

        @Test(arguments: [0, 8, 16, 24, 56, 17, 127]) func longSequencesInBF16(choice: Int) {
            for (length, size) in [(129, 20), (513, 20), (600, 20), (300, 160)] {
                var random = Generator(choice)
                var item = AttentionCase(heads: 1, keyHeads: 1, size: size, offsets: [0, 7, 7 + length], seed: length)
                item.addBiases(choice, random: &random)
                item.useBF16()
                let expected = item.expected()
                forEachInstructionSet { isa in
                    let error = item.worstError(item.run(), expected)
                    #expect(error < 0.0079, "\(isa) length \(length), rules \(choice): \(error)")
                }
            }
        }

        /// Queries of 0 weigh all keys alike, and 1 is exact: a mean of values must be as good as in float32.
        @Test(arguments: [0, 8, 16, 24, 56]) func equalWeightsAreExact(choice: Int) {
            for length in [1, 2, 15, 16, 17, 31, 33, 127, 513, 700] {
                var random = Generator(length)
                var item = AttentionCase(
                    heads: 2, keyHeads: 1, size: 33, offsets: [0, length, length + 3], seed: length)
                item.addBiases(choice, random: &random)
                item.useBF16()
                item.query.start.update(repeating: 0, count: item.query.count)
                let expected = item.expected()
                forEachInstructionSet { isa in
                    let error = item.worstError(item.run(), expected)
                    #expect(error < 1e-6, "\(isa) length \(length), rules \(choice): \(error)")
                }
            }
        }

        /// Scores far apart: each query takes one value, exactly.
        @Test func oneKeyTakesAll() {
            var item = AttentionCase(heads: 2, keyHeads: 2, size: 24, offsets: [0, 90], seed: 3)
            item.useBF16()
            for token in 0..<90 {
                for head in 0..<2 {
                    for element in 0..<24 {
                        let index = token * item.queryStride + head * 24 + element
                        item.query.start[index] = element == token % 24 ? 256 : 0
                        item.key.start[token * item.keyStride + head * 24 + element] =
                            element == token && token < 24 ? 256 : 0
                    }
                }
            }
            forEachInstructionSet { isa in
                let output = item.run()
                for token in 0..<90 {
                    for column in 0..<48 {
                        let value = item.value[token % 24 * item.keyStride + column]
                        #expect(output[token * item.queryStride + column] == value, "\(isa)")
                    }
                }
            }
        }

        /// What is stored in 16 bits gives the bits of the same numbers in float32.
        @Test(arguments: [(NK_F16, NK_BF16), (NK_BF16, NK_F16), (NK_F32, NK_BF16), (NK_BF16, NK_F32)])
        func storedKeysAndValues(types: (nk_dtype, nk_dtype)) {
            for precision in [NK_F32, NK_BF16] {
                for (size, length) in [(40, 77), (64, 600), (7, 33)] {
                    var item = AttentionCase(
                        heads: 4, keyHeads: 2, size: size, offsets: [0, 5, 5 + length], seed: size)
                    // Numbers of 8 bits are exact in all types.
                    for operand in [item.key, item.value] {
                        for index in 0..<operand.count {
                            operand.start[index] = (operand[index] * 128).rounded() / 128
                        }
                    }
                    item.precision = precision
                    forEachInstructionSet { isa in
                        let expected = item.run().bits
                        var stored = item
                        if types.0 != NK_F32 { stored.storedKey = StoredNumbers(item.key, types.0) }
                        if types.1 != NK_F32 { stored.storedValue = StoredNumbers(item.value, types.1) }
                        #expect(stored.run().bits == expected, "\(isa) \(types) \(size)")
                    }
                }
            }
        }

        /// Two keys, of which the first scores 0 and has value 0, the second x and 1: the output is the share of the second,
        /// 1 / (1 + exp(-x)). The polynomial is within 2 ulp, and with sum, reciprocal and product within 2^-21; log2(e) and
        /// its product with x are rounded, which changes the power by up to 1.25 * 2^-24 |x|. In bf16 the smaller weight is
        /// off by 2^-8 + 2^-13.7, the greater one (1) is exact.
        @Test func weights() {
            var random = Generator(7)
            let pairs = 20000
            var item = AttentionCase(
                heads: 1, keyHeads: 1, size: 1, offsets: Array(stride(from: 0, through: 2 * pairs, by: 2)), seed: 7)
            item.scale = 1
            for pair in 0..<pairs {
                let x = roundedToBF16(pair % 2 == 0 ? random.float(-2...2) : random.float(-80...80))
                item.query.start[2 * pair * item.queryStride] = 1
                for (token, (key, value)) in [(Float(0), Float(0)), (x, 1)].enumerated() {
                    item.key.start[(2 * pair + token) * item.keyStride] = key
                    item.value.start[(2 * pair + token) * item.keyStride] = value
                }
            }
            for (precision, limit) in [(NK_F32, 8 * 0x1p-24), (NK_BF16, 0x1p-8 + 0x1p-13)] {
                item.precision = precision
                forEachInstructionSet { isa in
                    let output = item.run()
                    var worst = 0.0
                    for pair in 0..<pairs {
                        let x = Double(item.key[(2 * pair + 1) * item.keyStride]), expected = 1 / (1 + exp(-x))
                        let error = abs(Double(output[2 * pair * item.queryStride]) - expected) / expected
                        worst = max(worst, error / (limit + 1.25 * 0x1p-24 * abs(x)))
                    }
                    #expect(worst <= 1, "\(isa) \(precision): \(worst)")
                }
            }
        }

        @Test(arguments: [0, 24, 56, 127], [40, 130]) func aloneEqualsInABatch(choice: Int, size: Int) {
            var random = Generator(choice)
            var item = AttentionCase(
                heads: 4, keyHeads: 2, size: size, offsets: [0, 5, 150, 163, 464], seed: choice)
            item.addBiases(choice, random: &random)
            item.precision = NK_BF16
            forEachInstructionSet { isa in
                let batch = withThreads(1) { item.run() }
                for threads: Int32 in [2, 5] {
                    #expect(withThreads(threads) { item.run().bits } == batch.bits, "\(isa) \(threads) threads")
                }
                for s in 0..<4 {
                    let alone = item.run(threads: 1, sequences: s..<s + 1)
                    let rows = item.offsets[s] * item.queryStride..<item.offsets[s + 1] * item.queryStride
                    #expect(alone.bits[rows] == batch.bits[rows], "\(isa) sequence \(s)")
                }
            }
        }
    }
}
