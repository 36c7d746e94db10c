import NestlingBasics
import NestlingKernels
import NestlingTensors
import Testing

/// Packed matrices against the plain sum in float64, over odd sizes, and as prefixes of themselves.
@Suite struct PackedLinearTests {
    /// Bytes of a weight matrix, at an odd address.
    final class Bytes: @unchecked Sendable {
        let memory: UnsafeMutableRawPointer
        var start: UnsafeRawPointer { UnsafeRawPointer(memory + 1) }

        init(_ values: [UInt8]) {
            memory = .allocate(byteCount: values.count + 1, alignment: 64)
            values.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { (memory + 1).copyMemory(from: base, byteCount: bytes.count) }
            }
        }

        deinit { memory.deallocate() }
    }

    /// Numbers that every stored type holds exactly, the same for the same seed.
    static func numbers(_ count: Int, seed: UInt64) -> [Float] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int(state >> 58) - 32) / 16
        }
    }

    static func stored(_ values: [Float], rows: Int, columns: Int, _ type: StoredType) -> StoredMatrix {
        let bytes: [UInt8] = values.flatMap { value -> [UInt8] in
            switch type {
            case .float32: withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
            case .bfloat16: withUnsafeBytes(of: UInt16(value.bitPattern >> 16).littleEndian) { Array($0) }
            default: withUnsafeBytes(of: half(value).littleEndian) { Array($0) }
            }
        }
        let owner = Bytes(bytes)
        return StoredMatrix(bytes: owner.start, type: type, rows: rows, columns: columns, owner: owner)
    }

    /// Half precision of a number that it holds exactly and that is not subnormal there.
    static func half(_ value: Float) -> UInt16 {
        if value == 0 { return 0 }
        let bits = value.bitPattern
        let exponent = UInt16((bits >> 23) & 0xFF) + 15 - 127
        return UInt16(bits >> 16) & 0x8000 | exponent << 10 | UInt16(truncatingIfNeeded: bits >> 13) & 0x3FF
    }

    /// `linear` of `input`, row by row.
    static func product(_ linear: any Linear, _ input: [Float], rows: Int, threads: Int = 1) -> [Float] {
        var input = input
        var output = [Float](repeating: .nan, count: rows * linear.outputs)
        input.withUnsafeMutableBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                guard let x = input.baseAddress, let y = output.baseAddress else { return }
                Matrix(x, rows: rows, columns: linear.inputs).multiply(
                    Product(linear, output: Matrix(y, rows: rows, columns: linear.outputs)), threads: threads)
            }
        }
        return output
    }

    @Test(arguments: [(1, 1), (1, 33), (31, 2), (32, 32), (33, 31), (64, 7), (65, 100)]) func everyPrefix(
        _ outputs: Int, _ inputs: Int
    ) throws {
        let values = Self.numbers(outputs * inputs, seed: 1)
        let bias = Self.numbers(outputs, seed: 2)
        for type in [StoredType.float32, .float16, .bfloat16] {
            let whole = try PackedLinear(
                packing: Self.stored(values, rows: outputs, columns: inputs, type), as: .float32, bias: Vector(bias))
            #expect(whole.parameters == outputs * inputs + outputs)
            for (m, n) in [(outputs, inputs), (1, 1), (outputs, 1), (1, inputs), ((outputs + 1) / 2, (inputs + 1) / 2)]
            {
                let part = whole.prefix(outputs: m, inputs: n)
                #expect(part.outputs == m && part.inputs == n && part.parameters == m * n + m)
                #expect(part.storageBytes == whole.storageBytes)
                for rows in [1, 2, 15] {
                    let input = Self.numbers(rows * n, seed: 3)
                    let found = Self.product(part, input, rows: rows)
                    // All numbers are multiples of 1/16 below 2: sums of products are exact in float32.
                    let expected = (0..<rows).flatMap { row in
                        (0..<m).map { output in
                            (0..<n).reduce(bias[output]) { $0 + input[row * n + $1] * values[output * inputs + $1] }
                        }
                    }
                    #expect(found == expected, "\(type) \(m) x \(n), \(rows) rows")
                    #expect(Self.product(part, input, rows: rows, threads: 2) == found)
                }
            }
        }
    }

    @Test func prefixesOfPrefixes() throws {
        let whole = try PackedLinear(
            packing: Self.stored(Self.numbers(70 * 50, seed: 4), rows: 70, columns: 50, .float32), as: .float32,
            bias: nil)
        let input = Self.numbers(3 * 9, seed: 5)
        let direct = Self.product(whole.prefix(outputs: 35, inputs: 9), input, rows: 3)
        #expect(
            Self.product(whole.prefix(outputs: 69, inputs: 33).prefix(outputs: 35, inputs: 9), input, rows: 3) == direct
        )
        // A prefix is never more than what there is.
        let most = whole.prefix(outputs: 35, inputs: 9).prefix(outputs: 100, inputs: 100)
        #expect(most.outputs == 35 && most.inputs == 9)
        #expect(whole.parameters == 3500)
    }

    /// What is written of a cut is a packed matrix of its size, with the cut's products bit for bit, also of a cut of itself.
    @Test(arguments: Codec.allCases) func writtenCuts(codec: Codec) throws {
        let (outputs, inputs) = (197, 423)
        let whole = try PackedLinear(
            packing: Self.stored(Self.numbers(outputs * inputs, seed: 6), rows: outputs, columns: inputs, .float32),
            as: codec, bias: nil)
        for (m, n) in [(197, 423), (197, 256), (96, 423), (65, 128), (33, 1), (1, 200), (160, 384), (97, 385)] {
            let packedInputs = codec.cuttableInputs(n, of: inputs)
            var bytes: [UInt8] = []
            try whole.cut(outputs: m, inputs: packedInputs).writePacked { bytes.append(contentsOf: $0) }
            #expect(bytes.count == codec.packedBytes(outputs: m, inputs: packedInputs))
            let owner = Bytes(bytes)
            let read = try PackedLinear(
                packed: UnsafeRawBufferPointer(start: owner.start, count: bytes.count), owner: owner, codec: codec,
                outputs: m, inputs: packedInputs, bias: nil)
            for (a, b) in [(m, n), ((m + 1) / 2, (n + 1) / 2)] {
                for rows in [1, 2, 9] {
                    let input = Self.numbers(rows * b, seed: 7).map { $0 + 0.7 }
                    #expect(
                        Self.product(read.prefix(outputs: a, inputs: b), input, rows: rows)
                            == Self.product(whole.prefix(outputs: a, inputs: b), input, rows: rows), "\(a) x \(b)")
                }
            }
        }
    }

    /// Sizes of which no file can be are no sizes of other ones.
    @Test func sizesDoNotWrap() {
        let most = Int(Int32.max)
        for codec in Codec.allCases { #expect(codec.packedBytes(outputs: most, inputs: most) >= most * (most / 4)) }
    }

    @Test func epilogues() throws {
        let (rows, outputs, inputs) = (3, 37, 5)
        let linear = try PackedLinear(
            packing: Self.stored(Self.numbers(outputs * inputs, seed: 6), rows: outputs, columns: inputs, .float32),
            as: .float32,
            bias: nil)
        let input = Self.numbers(rows * inputs, seed: 7)
        let plain = Self.product(linear, input, rows: rows)
        var (x, gate, stream) = (input, Self.numbers(rows * outputs, seed: 8), Self.numbers(rows * outputs, seed: 9))
        let expected = zip(zip(plain, gate), stream).map { $1 + $0.1 * max($0.0, 0) }
        let (gateBefore, inputBefore) = (gate, x)
        x.withUnsafeMutableBufferPointer { x in
            gate.withUnsafeMutableBufferPointer { gate in
                stream.withUnsafeMutableBufferPointer { stream in
                    guard let x = x.baseAddress, let gate = gate.baseAddress, let stream = stream.baseAddress else {
                        return
                    }
                    let target = Matrix(stream, rows: rows, columns: outputs)
                    Matrix(x, rows: rows, columns: inputs).multiply(
                        Product(
                            linear, activation: .relu, multiplier: Matrix(gate, rows: rows, columns: outputs),
                            residual: target, output: target), threads: 1)
                }
            }
        }
        #expect(stream == expected)
        #expect(gate == gateBefore && x == inputBefore)
    }

    @Test func severalInOneGo() throws {
        let linears = try [3, 32, 50].map { outputs in
            try PackedLinear(
                packing: Self.stored(
                    Self.numbers(outputs * 8, seed: UInt64(outputs)), rows: outputs, columns: 8, .float32),
                as: .float32,
                bias: nil)
        }
        var input = Self.numbers(4 * 8, seed: 10)
        let expected = linears.map { Self.product($0, input, rows: 4) }
        let columns = linears.reduce(0) { $0 + $1.outputs }
        var outputs = [Float](repeating: .nan, count: 4 * columns)
        input.withUnsafeMutableBufferPointer { input in
            outputs.withUnsafeMutableBufferPointer { outputs in
                guard let x = input.baseAddress, let y = outputs.baseAddress else { return }
                // Side by side in each row.
                var first = 0
                let products = linears.map { linear in
                    defer { first += linear.outputs }
                    return Product(linear, output: Matrix(y + first, rows: 4, columns: linear.outputs, stride: columns))
                }
                Matrix(x, rows: 4, columns: 8).multiply(products, threads: 2)
            }
        }
        let rows = (0..<4).flatMap { row in
            zip(linears, expected).flatMap { $1[row * $0.outputs..<(row + 1) * $0.outputs] }
        }
        #expect(outputs == rows)
    }

    /// A matrix of several pieces is packed and converted as if it were one, and says in order what it has read.
    @Test(arguments: [StoredType.float32, .bfloat16]) func largeMatricesArePackedPieceByPiece(type: StoredType) throws {
        let (rows, columns) = (3 * 1024 + 7, 801)
        let matrix = Self.stored(Self.numbers(rows * columns, seed: 5), rows: rows, columns: columns, type)
        for codec in [Codec.float32, .int4] {
            var read: [Range<Int>] = []
            let linear = try PackedLinear(packing: matrix, as: codec, bias: nil) { read.append($0) }
            #expect(
                read.count > 1 && read.first?.lowerBound == 0 && read.last?.upperBound == type.bytes(rows * columns))
            #expect(zip(read, read.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
            var packed = [UInt8](repeating: 0, count: nk_packed_bytes(codec.kernel, rows, columns))
            nk_pack(codec.kernel, matrix.bytes, type.kernel, rows, columns, columns, 1, &packed, rows, 0, 0)
            var written: [UInt8] = []
            try linear.writePacked { written.append(contentsOf: $0) }
            #expect(written == packed)
        }
        var end = 0
        let converted = try StoredMatrix(converting: matrix, to: .bfloat16) {
            #expect($0.lowerBound == end)
            end = $0.upperBound
        }
        #expect(end == type.bytes(rows * columns))
        var expected = [UInt16](repeating: 0, count: rows * columns)
        nk_convert(matrix.bytes, type.kernel, rows * columns, &expected, NK_BF16, 1)
        #expect(
            UnsafeRawBufferPointer(start: converted.bytes, count: 2 * expected.count).elementsEqual(
                expected.withUnsafeBytes { Array($0) }))
    }
}
