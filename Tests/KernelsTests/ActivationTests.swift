import Glibc
import NestlingKernels
import Testing

/// The formulas of the header in float64.
func reference(_ activation: nk_activation, _ x: Double) -> Double {
    switch activation {
    case NK_RELU: x.isNaN ? x : max(x, 0)
    case NK_GELU: 0.5 * x * erfc(-x / 2.0.squareRoot())
    case NK_GELU_TANH: x / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case NK_SILU: x / (1 + exp(-x))
    case NK_TANH: tanh(x)
    case NK_SIGMOID: 1 / (1 + exp(-x))
    case NK_RELU_SQUARED: x.isNaN ? x : max(x, 0) * max(x, 0)
    case NK_QUICK_GELU: x / (1 + exp(-1.702 * x))
    default: x
    }
}

extension KernelTests {
    @Suite struct Activations {
        /// Dense near 0, both signs, far tails, all kinds of special numbers.
        static let inputs: [Float] = {
            var random = Generator(1)
            var values: [Float] = [0, -0.0, .leastNonzeroMagnitude, 1e-30, -1e-30, 88, -87, 104, -104, 1e4, -1e4]
            values += (0..<20000).map { Float($0 - 10000) / 1000 }
            values += random.floats(20000, -30...30)
            values += (0..<2000).map { _ in
                Float(
                    sign: random.flag() ? .plus : .minus, exponent: -Int(random.next() % 40),
                    significand: random.float(1...2))
            }
            return values
        }()

        func run(_ activation: nk_activation, _ values: [Float]) -> [Float] {
            let result = Floats(values, misalignment: 1)
            nk_activate(result.start, values.count, 1, values.count, activation, 0)
            #expect(result.guarded)
            return result.values
        }

        /// tanh and the sigmoid hold a relative bound; those that multiply by x one relative to max(1, |x|).
        @Test func errors() {
            forEachInstructionSet { isa in
                for activation in allActivations {
                    var relative = 0.0, scaled = 0.0
                    for (x, y) in zip(Self.inputs, run(activation, Self.inputs)) {
                        let expected = reference(activation, Double(x))
                        scaled = max(scaled, abs(Double(y) - expected) / max(1, abs(expected), abs(Double(x))))
                        if abs(expected) > 1.2e-38 { relative = max(relative, ulps(y, expected)) }
                    }
                    #expect(scaled <= 2e-7, "\(isa) \(activation): \(scaled)")
                    let limit: Double? =
                        switch activation {
                        case NK_IDENTITY, NK_RELU: 0
                        case NK_RELU_SQUARED: 0.5
                        case NK_TANH: 4
                        case NK_SIGMOID: 4
                        case NK_SILU: 4
                        default: nil
                        }
                    if let limit { #expect(relative <= limit, "\(isa) \(activation): \(relative) ulp") }
                }
            }
        }

        /// exp is seen through the sigmoid: 1 / (1 + exp(-x)) = exp(x) within rounding, for very negative x.
        @Test func exponential() {
            forEachInstructionSet { isa in
                var random = Generator(2)
                let values = random.floats(20000, -80 ... -20)
                var worst = 0.0
                for (x, y) in zip(values, run(NK_SIGMOID, values)) { worst = max(worst, ulps(y, exp(Double(x)))) }
                #expect(worst <= 3, "\(isa): \(worst) ulp")
            }
        }

        /// Every 4099th float32. The limits are those that the kernels' comments state.
        @Test func errorsInUnitsOfTheLastPlace() {
            let values = stride(from: UInt32(0), to: .max - 4099, by: 4099).map(Float.init(bitPattern:)).filter {
                abs($0) < 120
            }
            for (activation, limit, least) in [
                (NK_TANH, 2.5, -120.0), (NK_SIGMOID, 2.5, -86), (NK_SILU, 2.5, -3), (NK_GELU, 13, -2),
                (NK_GELU_TANH, 6.5, -2), (NK_QUICK_GELU, 3.5, -2),
            ] {
                let expected = values.map { reference(activation, Double($0)) }
                forEachInstructionSet { isa in
                    var worst = 0.0
                    for (index, y) in run(activation, values).enumerated()
                    where Double(values[index]) > least && abs(expected[index]) > 1.2e-38 {
                        worst = max(worst, ulps(y, expected[index]))
                    }
                    #expect(worst <= limit, "\(isa) \(activation): \(worst) ulp")
                }
            }
        }

        /// 2^-12 of the result, or of 4e-4 where that is more.
        @Test func roughErrors() {
            for (rough, exact) in [
                (NK_ROUGH_GELU, NK_GELU), (NK_ROUGH_GELU_TANH, NK_GELU_TANH), (NK_ROUGH_SILU, NK_SILU),
                (NK_ROUGH_QUICK_GELU, NK_QUICK_GELU),
            ] {
                let expected = Self.inputs.map { reference(exact, Double($0)) }
                forEachInstructionSet { isa in
                    var worst = 0.0
                    for (y, expected) in zip(run(rough, Self.inputs), expected) {
                        worst = max(worst, abs(Double(y) - expected) / max(4e-4, abs(expected)))
                    }
                    #expect(worst <= 0x1p-12, "\(isa) \(rough): \(worst)")
                    #expect(run(rough, [.nan])[0].isNaN && run(rough, [.infinity])[0] == .infinity)
                    #expect(run(rough, [0])[0] == 0 && run(rough, [-1e30])[0] == 0, "\(isa) \(rough)")
                }
            }
        }

        @Test func specialNumbers() {
            forEachInstructionSet { isa in
                for activation in allActivations {
                    let values = run(activation, [.nan, .infinity, 0, -1e30, 1])
                    #expect(values[0].isNaN, "\(isa) \(activation)")
                    #expect(values[1] == (activation == NK_TANH || activation == NK_SIGMOID ? 1 : .infinity))
                    #expect(values[2] == (activation == NK_SIGMOID ? 0.5 : 0))
                    #expect(values[3] == (activation == NK_TANH ? -1 : activation == NK_IDENTITY ? -1e30 : 0))
                    #expect(!values[4].isNaN)
                }
            }
        }

        @Test func positionInTheRowDoesNotMatter() {
            forEachInstructionSet { isa in
                for activation in allActivations {
                    for count in 1...40 {
                        let values = [Float](repeating: 0.7312, count: count)
                        let bits = Set(run(activation, values).map(\.bitPattern))
                        #expect(bits.count == 1, "\(isa) \(activation) \(count)")
                    }
                }
            }
        }
    }
}
