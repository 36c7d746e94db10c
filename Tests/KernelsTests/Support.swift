import NestlingKernels
import Testing

/// All suites of this target: serialized, because the instruction set and the thread count are global.
@Suite(.serialized) enum KernelTests {}

/// Every instruction set that this machine has.
let instructionSets: [String] = {
    let chosen = String(cString: nk_isa_name())
    defer { nk_isa_select(chosen) }
    return ["portable", "avx2", "avx2vnni", "avx512", "avx512vnni", "avx512bf16"].filter { nk_isa_select($0) == 0 }
}()

/// Runs `body` once per instruction set, and then switches back.
func forEachInstructionSet(_ body: (String) throws -> Void) rethrows {
    let chosen = String(cString: nk_isa_name())
    defer { nk_isa_select(chosen) }
    for name in instructionSets {
        #expect(nk_isa_select(name) == 0)
        try body(name)
    }
}

/// Runs `body` on up to so many threads, even if there are fewer processors.
func withThreads<Result>(_ count: Int32, _ body: () throws -> Result) rethrows -> Result {
    nk_set_thread_count(count)
    nk_set_usable_processors(count)
    defer {
        nk_set_thread_count(0)
        nk_set_usable_processors(0)
    }
    return try body()
}

/// SplitMix64: the same numbers in every run.
struct Generator: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: Int) { state = UInt64(truncatingIfNeeded: seed) }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
    mutating func float(_ range: ClosedRange<Float> = -1...1) -> Float { .random(in: range, using: &self) }
    mutating func floats(_ count: Int, _ range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in float(range) }
    }
    mutating func flag() -> Bool { next() >> 40 & 1 == 1 }
}

/// Floats at an address that is `misalignment` elements off a 64-byte boundary, filled with a value that no kernel writes.
final class Floats {
    static let untouched: Float = -12345.5
    private let memory: UnsafeMutableRawPointer
    let start: UnsafeMutablePointer<Float>
    let count: Int

    init(_ count: Int, misalignment: Int = 0) {
        memory = .allocate(byteCount: (count + misalignment + 16) * 4, alignment: 64)
        start = memory.bindMemory(to: Float.self, capacity: count + misalignment + 16) + misalignment
        self.count = count
        start.update(repeating: Self.untouched, count: count + 16)
    }
    convenience init(_ values: [Float], misalignment: Int = 0) {
        self.init(values.count, misalignment: misalignment)
        for (index, value) in values.enumerated() { start[index] = value }
    }
    deinit { memory.deallocate() }

    subscript(index: Int) -> Float { start[index] }
    var values: [Float] { (0..<count).map { start[$0] } }
    var bits: [UInt32] { (0..<count).map { start[$0].bitPattern } }
    /// Nothing was written behind the last element.
    var guarded: Bool { (count..<count + 16).allSatisfy { start[$0] == Self.untouched } }
}

func packed(_ weight: [Float], outputs: Int, inputs: Int, codec: nk_codec = NK_CODEC_F32) -> Floats {
    let result = Floats(nk_packed_bytes(codec, outputs, inputs) / 4)
    weight.withUnsafeBytes {
        nk_pack(codec, $0.baseAddress!, NK_F32, outputs, inputs, inputs, 1, result.start, outputs, 0, 1)
    }
    return result
}

let allActivations: [nk_activation] = [
    NK_IDENTITY, NK_RELU, NK_GELU, NK_GELU_TANH, NK_SILU, NK_TANH, NK_SIGMOID, NK_RELU_SQUARED, NK_QUICK_GELU,
]

/// Distance in units of the last place of the float nearest to `expected`.
func ulps(_ value: Float, _ expected: Double) -> Double {
    if value.isNaN || expected.isNaN { return value.isNaN && expected.isNaN ? 0 : .infinity }
    let nearest = Float(expected)
    if nearest.isInfinite || value.isInfinite { return nearest == value ? 0 : .infinity }
    return abs(Double(value) - expected) / Double(nearest.ulp)
}
