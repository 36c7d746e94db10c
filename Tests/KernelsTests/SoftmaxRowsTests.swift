import Glibc
import NestlingKernels
import Testing

extension KernelTests {
    @Suite struct SoftmaxRows {
        static let algorithms = [NK_SOFTMAX_BY_SIZE, NK_SOFTMAX_THREE_PASSES, NK_SOFTMAX_TWO_PASSES]

        func run(
            _ rows: [[Float]], scale: Float, logarithm: Bool, _ algorithm: nk_softmax_algorithm, inPlace: Bool = false
        ) -> Floats {
            let columns = rows[0].count, stride = columns + 1
            let input = Floats(rows.flatMap { $0 + [0] }, misalignment: 1)
            let output = inPlace ? input : Floats(rows.count * stride, misalignment: 3)
            nk_softmax_rows(
                input.start, stride, rows.count, columns, scale, logarithm ? 1 : 0, algorithm, output.start, stride, 0)
            for row in 0..<rows.count {
                #expect(output[row * stride + columns] == (inPlace ? 0 : Floats.untouched))
            }
            #expect(output.guarded)
            return output
        }

        /// exp is within 1 ulp; the sum, its reciprocal and the product add a few. Three passes also round the difference d to
        /// the greatest value, which changes the exponential by up to 2^-24 d. The sum of n terms in 32 or 64 chains is off
        /// by some sqrt(n) / 16 of them. A logarithm is off by its own rounding and that of the sum.
        @Test(arguments: [1, 2, 15, 16, 17, 63, 64, 65, 130, 1000, 4099, 50257]) func errors(columns: Int) {
            for (range, scale) in [(Float(1), Float(1)), (30, 0.7), (20000, 1)] {
                var random = Generator(columns)
                let rows = (0..<3).map { _ in random.floats(columns, -range...range) }
                for logarithm in [false, true] {
                    let expected = rows.map { row -> [Double] in
                        let x = row.map { Double($0 * scale) }, greatest = x.max()!
                        let total = x.reduce(0) { $0 + exp($1 - greatest) }
                        return x.map { logarithm ? $0 - greatest - log(total) : exp($0 - greatest) / total }
                    }
                    forEachInstructionSet { isa in
                        for algorithm in Self.algorithms {
                            let output = run(rows, scale: scale, logarithm: logarithm, algorithm)
                            let again = run(rows, scale: scale, logarithm: logarithm, algorithm, inPlace: true)
                            var worst = 0.0
                            for (row, values) in expected.enumerated() {
                                let greatest = values.max()!
                                for (column, value) in values.enumerated() {
                                    let index = row * (columns + 1) + column
                                    if output[index].bitPattern != again[index].bitPattern { worst = .infinity }
                                    if logarithm {
                                        worst = max(worst, abs(Double(output[index]) - value) / max(2, abs(value)))
                                    } else if value > 1.2e-38 {
                                        let difference = log(greatest / value)
                                        let error = abs(Double(output[index]) - value) / value
                                        worst = max(worst, error / (1 + difference / 6))
                                    } else if Double(output[index]) > 1.3e-38 {
                                        worst = .infinity
                                    }
                                }
                            }
                            let limit = (6 + Double(columns).squareRoot() / 16) * 0x1p-24
                            #expect(worst < limit, "\(isa) \(algorithm) \(range) \(logarithm): \(worst)")
                        }
                    }
                }
            }
        }

        @Test func specialNumbers() {
            forEachInstructionSet { isa in
                for algorithm in Self.algorithms {
                    for columns in [3, 40, 200] {
                        var row = [Float](repeating: -.infinity, count: columns)
                        row[1] = 5e5
                        row[2] = 5e5
                        let shares = run([row], scale: 1, logarithm: false, algorithm)
                        #expect(shares[0] == 0 && abs(shares[1] - 0.5) < 1e-7 && shares[1] == shares[2], "\(isa)")
                        let logarithms = run([row], scale: 1, logarithm: true, algorithm)
                        #expect(logarithms[0] == -.infinity && abs(logarithms[1] + 0.6931472) < 0.04, "\(isa)")
                        row[columns - 1] = .nan
                        let wrong = run([row], scale: 1, logarithm: false, algorithm)
                        #expect(wrong[0].isNaN && wrong[1].isNaN && wrong[columns - 1].isNaN, "\(isa) \(columns)")
                        let nothing = [Float](repeating: -.infinity, count: columns)
                        #expect(run([nothing], scale: 1, logarithm: false, algorithm)[0].isNaN, "\(isa)")
                    }
                }
            }
        }

        @Test func threadsDoNotChangeBits() {
            var random = Generator(1)
            let rows = (0..<37).map { _ in random.floats(1003, -9...9) }
            forEachInstructionSet { isa in
                for algorithm in Self.algorithms {
                    let one = withThreads(1) { run(rows, scale: 1, logarithm: false, algorithm).bits }
                    #expect(withThreads(5) { run(rows, scale: 1, logarithm: false, algorithm).bits } == one, "\(isa)")
                    let alone = run([rows[0]], scale: 1, logarithm: false, algorithm).bits
                    #expect(one[..<1003] == alone[..<1003], "\(isa)")
                }
            }
        }
    }
}
