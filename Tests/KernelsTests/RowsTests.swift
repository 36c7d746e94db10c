import Glibc
import NestlingKernels
import Testing

extension KernelTests {
    @Suite struct Rows {
        static let widths = Array(1...70) + [127, 384, 768, 1000]

        @Test func layerNorm() {
            forEachInstructionSet { isa in
                for columns in Self.widths {
                    var random = Generator(columns)
                    let rows = 3, stride = columns + 2
                    let input = Floats(random.floats(rows * stride, 99...101), misalignment: 1)
                    let weight = Floats(random.floats(columns)), bias = Floats(random.floats(columns))
                    let residual = Floats(random.floats(rows * stride))
                    for (w, b, r) in [(true, true, false), (false, false, true), (true, false, true)] {
                        let output = Floats(rows * stride, misalignment: 2)
                        nk_layer_norm(
                            input.start, stride, r ? residual.start : nil, stride, rows, columns,
                            w ? weight.start : nil,
                            b ? bias.start : nil, 1e-3, output.start, stride, 0)
                        for row in 0..<rows {
                            // The sum with the residual is rounded to float32: it is the input of the norm.
                            let x = (0..<columns).map { column -> Double in
                                let index = row * stride + column
                                return Double(r ? input[index] + residual[index] : input[index])
                            }
                            let mean = x.reduce(0, +) / Double(columns)
                            let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
                            for column in 0..<columns {
                                var y = (x[column] - mean) / (variance + 1e-3).squareRoot()
                                if w { y *= Double(weight[column]) }
                                if b { y += Double(bias[column]) }
                                // The mean of values near 100 is good to a few units in their last place (7.6e-6).
                                let error = abs(Double(output[row * stride + column]) - y)
                                #expect(error < 5e-4, "\(isa) \(columns) \(error)")
                            }
                            #expect(output[row * stride + columns] == Floats.untouched)
                        }
                        let inPlace = Floats(input.values, misalignment: 1)
                        nk_layer_norm(
                            inPlace.start, stride, r ? residual.start : nil, stride, rows, columns,
                            w ? weight.start : nil,
                            b ? bias.start : nil, 1e-3, inPlace.start, stride, 0)
                        #expect(inPlace[columns - 1].bitPattern == output[columns - 1].bitPattern)
                    }
                }
            }
        }

        @Test func rmsNorm() {
            forEachInstructionSet { isa in
                for columns in Self.widths {
                    var random = Generator(columns)
                    let input = Floats(random.floats(2 * columns), misalignment: 1),
                        weight = Floats(random.floats(columns))
                    for (w, offset) in [(true, Float(0)), (true, 1), (false, 0)] {
                        let output = Floats(2 * columns)
                        nk_rms_norm(
                            input.start, columns, 2, columns, w ? weight.start : nil, offset, 1e-6, output.start,
                            columns, 0)
                        for row in 0..<2 {
                            let x = (0..<columns).map { Double(input[row * columns + $0]) }
                            let size = (x.reduce(0) { $0 + $1 * $1 } / Double(columns) + 1e-6).squareRoot()
                            for column in 0..<columns {
                                let y = x[column] / size * (w ? Double(weight[column] + offset) : 1)
                                #expect(abs(Double(output[row * columns + column]) - y) < 2e-6, "\(isa) \(columns)")
                            }
                        }
                        #expect(output.guarded)
                    }
                }
            }
        }

        /// Values around 0: the mean is good to 2^-24 of them, the factor to a few units in its last place.
        @Test(arguments: [16, 100, 384, 768, 1024, 4096]) func normErrors(columns: Int) {
            var random = Generator(columns)
            let input = random.floats(columns, -3...3), residual = random.floats(columns, -3...3)
            let x = zip(input, residual).map { Double($0 + $1) }, count = Double(columns)
            let mean = x.reduce(0, +) / count
            let deviation = (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count + 1e-12).squareRoot()
            let size = (input.reduce(0) { $0 + Double($1) * Double($1) } / count + 1e-12).squareRoot()
            forEachInstructionSet { isa in
                let layer = Floats(columns), rms = Floats(columns)
                nk_layer_norm(
                    input, columns, residual, columns, 1, columns, nil, nil, 1e-12, layer.start, columns, 0)
                nk_rms_norm(input, columns, 1, columns, nil, 0, 1e-12, rms.start, columns, 0)
                // Portable adds one term after the other.
                let limit = (isa == "portable" ? 4 + count.squareRoot() : 4) * 0x1p-24
                var worst = 0.0
                for column in 0..<columns {
                    let y = (x[column] - mean) / deviation, z = Double(input[column]) / size
                    worst = max(worst, abs(Double(layer[column]) - y) / max(1, abs(y)))
                    worst = max(worst, abs(Double(rms[column]) - z) / max(1, abs(z)))
                }
                #expect(worst < limit, "\(isa): \(worst * 0x1p24) x 2^-24")
            }
        }

        @Test func gather() {
            forEachInstructionSet { isa in
                for columns in [1, 5, 16, 33, 300, 600] {
                    for type in [NK_F32, NK_F16, NK_BF16] {
                        var random = Generator(columns)
                        let size = type == NK_F32 ? 4 : 2
                        // Small whole numbers are exact in all three types.
                        let table = (0..<7 * columns).map { _ in Float(Int(random.next() % 63) - 31) }
                        var bytes: [UInt8] = [9]
                        for value in table {
                            switch type {
                            case NK_F16: withUnsafeBytes(of: Float16(value)) { bytes += $0 }
                            case NK_BF16: withUnsafeBytes(of: UInt16(value.bitPattern >> 16)) { bytes += $0 }
                            default: withUnsafeBytes(of: value) { bytes += $0 }
                            }
                        }
                        #expect(bytes.count == 1 + table.count * size)
                        let ids: [Int32] = [6, 0, 3, 3, 5]
                        let stride = columns + 1
                        for accumulate: Int32 in [0, 1] {
                            let output = Floats([Float](repeating: 10, count: 5 * stride), misalignment: 1)
                            bytes.withUnsafeBytes {
                                nk_gather(
                                    $0.baseAddress! + 1, type, columns, ids, 5, 0.5, accumulate, output.start, stride, 0
                                )
                            }
                            var wrong = 0
                            for (row, id) in ids.enumerated() {
                                for column in 0..<columns {
                                    let expected = 0.5 * table[Int(id) * columns + column] + (accumulate == 1 ? 10 : 0)
                                    if output[row * stride + column] != expected { wrong += 1 }
                                }
                                if output[row * stride + columns] != 10 { wrong += 1 }
                            }
                            #expect(wrong == 0 && output.guarded, "\(isa) \(type) \(columns)")
                        }
                    }
                }
            }
        }

        /// Angles are those of float32, up to 1e5.
        @Test func rope() {
            let positions: [Int32] = [0, 1, 2, 17, 511, 8191, 99_999]
            forEachInstructionSet { isa in
                for (size, rotary) in [(2, 2), (6, 4), (32, 32), (64, 64), (70, 46), (80, 32), (256, 256)] {
                    for interleaved: Int32 in [0, 1] {
                        var random = Generator(size)
                        let heads = 3, stride = heads * size + 1, half = rotary / 2
                        let frequencies = (0..<half).map { Float(pow(10000, -Double($0) / Double(half))) }
                        let input = random.floats(positions.count * stride)
                        let values = Floats(input, misalignment: 1)
                        nk_rope(
                            values.start, stride, positions.count, heads, size, rotary, frequencies, 1.5, interleaved,
                            positions, 0)
                        var worst = 0.0
                        for (row, position) in positions.enumerated() {
                            for head in 0..<heads {
                                let base = row * stride + head * size
                                for j in 0..<half {
                                    let angle = Double(Float(position) * frequencies[j])
                                    let first = base + (interleaved == 1 ? 2 * j : j)
                                    let second = interleaved == 1 ? first + 1 : first + half
                                    let a = Double(input[first]), b = Double(input[second])
                                    worst = max(
                                        worst, abs(Double(values[first]) - 1.5 * (a * cos(angle) - b * sin(angle))))
                                    worst = max(
                                        worst, abs(Double(values[second]) - 1.5 * (b * cos(angle) + a * sin(angle))))
                                }
                                for j in rotary..<size where values[base + j] != input[base + j] { worst = .infinity }
                            }
                            if values[row * stride + heads * size] != input[row * stride + heads * size] {
                                worst = .infinity
                            }
                        }
                        #expect(worst < 6e-7 && values.guarded, "\(isa) \(size) \(rotary) \(interleaved): \(worst)")
                    }
                }
            }
        }

        @Test func threadsDoNotChangeBits() {
            forEachInstructionSet { isa in
                var random = Generator(4)
                let input = Floats(random.floats(333 * 97)), weight = Floats(random.floats(97))
                func run(_ threads: Int32) -> [[UInt32]] {
                    withThreads(threads) {
                        let norm = Floats(333 * 97), rms = Floats(333 * 97), active = Floats(input.values)
                        nk_layer_norm(
                            input.start, 97, nil, 0, 333, 97, weight.start, nil, 1e-5, norm.start, 97, 0)
                        nk_rms_norm(input.start, 97, 333, 97, weight.start, 0, 1e-5, rms.start, 97, 0)
                        nk_activate(active.start, 97, 333, 97, NK_GELU, 0)
                        return [norm.bits, rms.bits, active.bits]
                    }
                }
                let one = run(1)
                #expect(run(2) == one && run(5) == one, "\(isa)")
            }
        }
    }

    @Suite struct PoolingAndMerging {
        @Test(arguments: [
            NK_POOL_CLS, NK_POOL_MEAN, NK_POOL_MAX, NK_POOL_LAST, NK_POOL_WEIGHTED_MEAN, NK_POOL_MEAN_SQRT_LENGTH,
        ])
        func pooling(_ pooling: nk_pooling) {
            let offsets = [0, 1, 5, 5, 60]
            forEachInstructionSet { isa in
                for columns in [1, 7, 16, 33, 100] {
                    for sized in [false, true] {
                        var random = Generator(columns)
                        let stride = columns + 1, rows = Floats(random.floats(60 * stride), misalignment: 1)
                        let sizes = random.floats(60, 1...4)
                        let output = Floats(4 * stride)
                        nk_pool(
                            rows.start, stride, offsets, 4, columns, pooling, sized ? sizes : nil, output.start, stride,
                            0)
                        for s in 0..<4 {
                            let range = offsets[s]..<offsets[s + 1]
                            for column in 0..<columns {
                                let values = range.map { Double(rows[$0 * stride + column]) }
                                let weights = range.map { sized ? Double(sizes[$0]) : 1 }
                                let ranks = zip(weights, 1...).map { $0 * Double($1) }
                                let sum = zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 }
                                let expected: Double =
                                    switch pooling {
                                    case _ where range.isEmpty: 0
                                    case NK_POOL_CLS: values.first!
                                    case NK_POOL_LAST: values.last!
                                    case NK_POOL_MAX: values.max()!
                                    case NK_POOL_MEAN: sum / weights.reduce(0, +)
                                    case NK_POOL_WEIGHTED_MEAN:
                                        zip(values, ranks).reduce(0) { $0 + $1.0 * $1.1 } / ranks.reduce(0, +)
                                    default: sum / weights.reduce(0, +).squareRoot()
                                    }
                                #expect(abs(Double(output[s * stride + column]) - expected) < 5e-6, "\(isa) \(columns)")
                            }
                            #expect(output[s * stride + columns] == Floats.untouched)
                        }
                    }
                }
            }
        }

        @Test func normalizedRows() {
            forEachInstructionSet { isa in
                for columns in [1, 5, 16, 47, 384] {
                    var random = Generator(columns)
                    let input = random.floats(2 * columns) + [Float](repeating: 0, count: columns)
                    let rows = Floats(input, misalignment: 1)
                    nk_normalize_rows(rows.start, columns, 3, columns)
                    for row in 0..<3 {
                        let x = (0..<columns).map { Double(input[row * columns + $0]) }
                        let length = max(x.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
                        for column in 0..<columns {
                            #expect(abs(Double(rows[row * columns + column]) - x[column] / length) < 5e-7, "\(isa)")
                        }
                    }
                }
            }
        }

        @Test func mergeMetric() {
            forEachInstructionSet { isa in
                for (heads, size) in [(1, 1), (3, 5), (12, 64), (4, 80)] {
                    var random = Generator(size)
                    let stride = heads * size + 1
                    var keys = random.floats(9 * stride)
                    for index in 0..<stride { keys[index] = 0 }
                    let metric = Floats(9 * size)
                    nk_merge_metric(keys, stride, 9, heads, size, metric.start, 0)
                    for token in 0..<9 {
                        let mean = (0..<size).map { element in
                            (0..<heads).reduce(0) { $0 + Double(keys[token * stride + $1 * size + element]) }
                                / Double(heads)
                        }
                        let length = mean.reduce(0) { $0 + $1 * $1 }.squareRoot()
                        for element in 0..<size {
                            let expected = length == 0 ? 0 : mean[element] / length
                            #expect(abs(Double(metric[token * size + element]) - expected) < 2e-6, "\(isa)")
                        }
                    }
                    #expect(metric.guarded)
                }
            }
        }

        /// Whole numbers: dot products are exact, so ties are ties and the indices must agree.
        @Test func bestMatch() {
            forEachInstructionSet { isa in
                for (n, m, columns) in [(1, 1, 1), (5, 31, 3), (64, 64, 64), (100, 65, 16), (200, 33, 7), (3, 0, 4)] {
                    for restricted in [false, true] {
                        var random = Generator(n + m)
                        let sources = (0..<n * columns).map { _ in Float(Int(random.next() % 5) - 2) }
                        let targets = (0..<max(1, m * columns)).map { _ in Float(Int(random.next() % 5) - 2) }
                        let allowedSources = (0..<n).map { _ in UInt8(random.flag() ? 1 : 0) }
                        let allowedTargets = (0..<max(1, m)).map { _ in UInt8(random.flag() ? 1 : 0) }
                        var best = [Int32](repeating: -7, count: n)
                        let score = Floats(n)
                        nk_best_match(
                            sources, columns, n, restricted ? allowedSources : nil, targets, columns, m,
                            restricted ? allowedTargets : nil, columns, &best, score.start, 0)
                        for a in 0..<n {
                            var expected: Int32 = -1, highest = -Double.infinity
                            for b in 0..<m where !restricted || (allowedSources[a] != 0 && allowedTargets[b] != 0) {
                                var product = 0.0
                                for i in 0..<columns {
                                    product += Double(sources[a * columns + i]) * Double(targets[b * columns + i])
                                }
                                if product > highest {
                                    highest = product
                                    expected = Int32(b)
                                }
                            }
                            #expect(best[a] == expected && Double(score[a]) == highest, "\(isa) \(n) \(m) \(columns)")
                        }
                        #expect(score.guarded)
                    }
                }
            }
        }
    }
}
