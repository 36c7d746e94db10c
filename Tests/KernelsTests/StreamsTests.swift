import Glibc
import NestlingKernels
import Testing

extension KernelTests {
    /// Kernels on rows of several streams, and those that sum rows, against float64; and the same bits whatever the other rows.
    @Suite struct StreamsTests {
        static let widths = [1, 5, 16, 31, 64, 65, 200, 1029]

        @Test func routes() {
            forEachInstructionSet { isa in
                for columns in Self.widths {
                    var random = Generator(columns)
                    let (rows, streams, outputs) = (3, 4, 7)
                    let input = random.floats(rows * (columns + 3), -4...4)
                    // Large enough for the hyperbolic tangent to bend.
                    let router = random.floats(streams * columns, -3...3), weights = random.floats(outputs * streams)
                    let output = Floats(rows * outputs)
                    nk_route_streams(
                        input, columns + 3, rows, columns, router, streams, weights, outputs, output.start, 0)
                    for row in 0..<rows {
                        let routed = (0..<streams).map { stream -> Double in
                            var sum = 0.0
                            for column in 0..<columns {
                                let x = Double(input[row * (columns + 3) + column])
                                sum += x * Double(router[stream * columns + column])
                            }
                            return tanh(sum / Double(columns))
                        }
                        for index in 0..<outputs {
                            var y = 0.0
                            for stream in 0..<streams {
                                y += Double(weights[index * streams + stream]) * routed[stream]
                            }
                            let error = abs(Double(output[row * outputs + index]) - y)
                            #expect(error < 4e-6, "\(isa) \(columns)")
                        }
                    }
                    #expect(output.guarded)
                }
            }
        }

        @Test func mixesAndCorrects() {
            forEachInstructionSet { isa in
                for columns in Self.widths {
                    var random = Generator(columns)
                    let (rows, streams) = (3, 3), stride = streams * columns + 1
                    let values = random.floats(rows * stride), change = random.floats(rows * columns)
                    let mixing = random.floats(rows * streams * streams), correcting = random.floats(rows * streams)
                    let mixed = Floats(values), corrected = Floats(values)
                    nk_mix_streams(mixed.start, stride, rows, streams, columns, mixing, 0)
                    nk_correct_streams(
                        corrected.start, stride, rows, streams, columns, correcting, change, columns, 0)
                    for row in 0..<rows {
                        for stream in 0..<streams {
                            for column in 0..<columns {
                                func value(_ stream: Int) -> Double {
                                    Double(values[row * stride + stream * columns + column])
                                }
                                var sum = value(stream)
                                for other in 0..<streams {
                                    sum += Double(mixing[(row * streams + stream) * streams + other]) * value(other)
                                }
                                let factor = 1 + Double(correcting[row * streams + stream])
                                let moved = value(stream) + factor * Double(change[row * columns + column])
                                let place = row * stride + stream * columns + column
                                #expect(abs(Double(mixed[place]) - sum) < 1e-6, "\(isa) \(columns)")
                                #expect(abs(Double(corrected[place]) - moved) < 1e-6, "\(isa) \(columns)")
                            }
                        }
                        // What lies between rows stays.
                        #expect(mixed[row * stride + stride - 1] == values[row * stride + stride - 1])
                    }
                    #expect(mixed.guarded && corrected.guarded)
                }
            }
        }

        @Test func matchesMagnitudes() {
            forEachInstructionSet { isa in
                for columns in Self.widths {
                    var random = Generator(columns)
                    // The last row is so small that the bound counts.
                    let scales: [Float] = [1, 30, 1e-4]
                    let reference = random.floats(3 * columns)
                    let values = scales.flatMap { scale in random.floats(columns).map { $0 * scale } }
                    let output = Floats(values)
                    nk_match_magnitudes(output.start, columns, 3, columns, reference, columns, 0)
                    for row in 0..<3 {
                        func mean(_ values: [Float]) -> Double {
                            let part = values[row * columns..<(row + 1) * columns].map(Double.init)
                            return part.reduce(0) { $0 + $1 * $1 } / Double(columns)
                        }
                        let factor = (mean(reference) / max(mean(values), 1e-5)).squareRoot()
                        for column in row * columns..<(row + 1) * columns {
                            let y = Double(values[column]) * factor
                            #expect(abs(Double(output[column]) - y) <= 1e-5 * abs(y) + 1e-12, "\(isa) \(columns)")
                        }
                    }
                    #expect(output.guarded)
                }
            }
        }

        @Test func keepsWhatIsAbove() {
            forEachInstructionSet { isa in
                for columns in Self.widths {
                    for deviations: Float in [1.644854, 0, -0.5] {
                        var random = Generator(columns)
                        let values = random.floats(2 * columns, -2...3)
                        let output = Floats(values)
                        nk_keep_above(output.start, columns, 2, columns, deviations, 0)
                        for row in 0..<2 {
                            let x = values[row * columns..<(row + 1) * columns].map(Double.init)
                            let mean = x.reduce(0, +) / Double(columns)
                            let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
                            let least = mean + Double(deviations) * variance.squareRoot()
                            for column in 0..<columns {
                                let y = max(x[column] - least, 0)
                                #expect(
                                    abs(Double(output[row * columns + column]) - y) < 1e-5,
                                    "\(isa) \(columns) \(deviations)")
                            }
                        }
                        #expect(output.guarded)
                    }
                }
                let broken = Floats([1, .nan, 2])
                nk_keep_above(broken.start, 3, 1, 3, 1, 0)
                let remains = broken.values.allSatisfy { $0.isNaN }
                #expect(remains, "\(isa)")
            }
        }

        @Test func scalesRows() {
            forEachInstructionSet { _ in
                var random = Generator(7)
                let input = random.floats(2 * 37), before = random.floats(2 * 37)
                for accumulate: Int32 in [0, 1] {
                    let output = Floats(before)
                    nk_scale_rows(input, 37, 2, 37, 0.5, accumulate, output.start, 37, 0)
                    for index in 0..<2 * 37 {
                        #expect(output[index] == (accumulate == 1 ? before[index] : 0) + 0.5 * input[index])
                    }
                }
            }
        }

        @Test func sameBitsWhateverTheOtherRows() {
            forEachInstructionSet { isa in
                var random = Generator(11)
                let (rows, streams, columns) = (40, 4, 333)
                let values = random.floats(rows * streams * columns), mixing = random.floats(rows * streams * streams)
                let router = random.floats(streams * columns)
                func run(_ range: Range<Int>, threads: Int32) -> [UInt32] {
                    let size = streams * columns
                    let part = Floats(Array(values[range.lowerBound * size..<range.upperBound * size]))
                    let coefficients = Array(mixing[range.lowerBound * 16..<range.upperBound * 16])
                    let routed = Floats(range.count * streams)
                    withThreads(threads) {
                        nk_mix_streams(
                            part.start, streams * columns, range.count, streams, columns, coefficients, threads)
                        nk_keep_above(part.start, streams * columns, range.count, columns, 0.3, threads)
                        nk_route_streams(
                            part.start + columns, streams * columns, range.count, columns, router, streams, mixing,
                            streams, routed.start, threads)
                    }
                    return part.bits + routed.bits
                }
                let whole = run(0..<rows, threads: 3)
                for row in [0, 17, 39] {
                    let alone = run(row..<row + 1, threads: 1), size = streams * columns
                    #expect(Array(alone[..<size]) == Array(whole[row * size..<(row + 1) * size]), "\(isa)")
                    let first = rows * size + row * streams
                    #expect(Array(alone[size...]) == Array(whole[first..<first + streams]), "\(isa)")
                }
            }
        }
    }
}
