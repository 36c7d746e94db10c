import NestlingKernels

/// What the machine can do at most: the numbers that others are a share of. Measured, not looked up.
public enum Peak: String, Sendable, CaseIterable {
    /// Float32 multiply-adds, two operations each.
    case float32
    /// Products of bfloat16 pairs added to float32; without an instruction for them, as ``float32``.
    case bfloat16
    /// Products of bytes added to 32-bit integers.
    case int8
    /// Bytes read from memory, which no cache holds.
    case read

    private var kernel: nk_peak {
        switch self {
        case .float32: NK_PEAK_F32
        case .bfloat16: NK_PEAK_BF16
        case .int8: NK_PEAK_I8
        case .read: NK_PEAK_READ
        }
    }

    /// Measures for about `seconds`, with the threads that are set and the instruction set in use: operations or bytes per
    /// second. Takes 128 MiB for each thread to measure reading; 0 if there is no such memory.
    public func measure(seconds: Double = 0.2) -> Double { nk_measure_peak(kernel, 0, seconds) }
}

extension Peak {
    /// The peak of the arithmetic in which products with such weights run.
    public init(of codec: Codec) {
        switch codec {
        case .float32: self = .float32
        case .bfloat16: self = .bfloat16
        case .int8, .int4: self = .int8
        }
    }
}
