/// The types of tensor elements, by the names that they have in files: those of safetensors, and the blocks of ggml, which only
/// GGUF files have.
public enum ElementType: String, Sendable, CaseIterable {
    /// One byte, 0 or 1.
    case bool = "BOOL"
    /// A four-bit float.
    case float4 = "F4"
    /// A six-bit float, exponent 2, mantissa 3.
    case float6E2M3 = "F6_E2M3"
    /// A six-bit float, exponent 3, mantissa 2.
    case float6E3M2 = "F6_E3M2"
    /// An unsigned byte.
    case uint8 = "U8"
    /// A signed byte.
    case int8 = "I8"
    /// An eight-bit float, exponent 5, mantissa 2.
    case float8E5M2 = "F8_E5M2"
    /// An eight-bit float, exponent 4, mantissa 3.
    case float8E4M3 = "F8_E4M3"
    /// An eight-bit power of two.
    case float8E8M0 = "F8_E8M0"
    /// An eight-bit float, exponent 5, mantissa 2, without infinities and negative zero.
    case float8E5M2FNUZ = "F8_E5M2FNUZ"
    /// An eight-bit float, exponent 4, mantissa 3, without infinities and negative zero.
    case float8E4M3FNUZ = "F8_E4M3FNUZ"
    /// A signed 16-bit integer.
    case int16 = "I16"
    /// An unsigned 16-bit integer.
    case uint16 = "U16"
    /// IEEE 754 half precision.
    case float16 = "F16"
    /// The upper half of a single-precision number.
    case bfloat16 = "BF16"
    /// A signed 32-bit integer.
    case int32 = "I32"
    /// An unsigned 32-bit integer.
    case uint32 = "U32"
    /// IEEE 754 single precision.
    case float32 = "F32"
    /// A complex number of two single-precision ones.
    case complex64 = "C64"
    /// IEEE 754 double precision.
    case float64 = "F64"
    /// A signed 64-bit integer.
    case int64 = "I64"
    /// An unsigned 64-bit integer.
    case uint64 = "U64"
    /// Blocks of 32 numbers of 4 bits with a scale.
    case q4_0 = "Q4_0"
    /// The same, with a scale and a minimum.
    case q4_1 = "Q4_1"
    /// Blocks of 32 numbers of 5 bits with a scale.
    case q5_0 = "Q5_0"
    /// The same, with a scale and a minimum.
    case q5_1 = "Q5_1"
    /// Blocks of 32 numbers of 8 bits with a scale.
    case q8_0 = "Q8_0"
    /// Blocks of 256 numbers of 4 bits, with a scale and a minimum for each run of 32.
    case q4_K = "Q4_K"
    /// Blocks of 256 numbers of 5 bits, with a scale and a minimum for each run of 32.
    case q5_K = "Q5_K"
    /// Blocks of 256 numbers of 6 bits, with a scale for each run of 16.
    case q6_K = "Q6_K"
    /// Blocks of 256 numbers of 2 bits, with a scale and a minimum for each run of 16.
    case q2_K = "Q2_K"
    /// Blocks of 256 numbers of 3 bits, with a scale for each run of 16.
    case q3_K = "Q3_K"
    /// Blocks of 32 numbers out of a table of 16, with a scale.
    case iq4_nl = "IQ4_NL"
    /// Blocks of 256 numbers out of a table of 16, with a scale for each run of 32.
    case iq4_xs = "IQ4_XS"
    /// Blocks of 32 floating-point numbers of 4 bits, with a power of 2 as scale.
    case mxfp4 = "MXFP4"
    /// Blocks of 256 numbers that are -1, 0 or 1, five of them in 8 bits, with a scale.
    case tq1_0 = "TQ1_0"
    /// Blocks of 256 numbers of 2 bits, with a scale.
    case tq2_0 = "TQ2_0"

    /// The types that weights may have.
    public static let weights: [ElementType] =
        [.float32, .float16, .bfloat16] + allCases.filter { $0.block != nil }

    /// Elements and bytes of a block; `nil`: elements are numbers for themselves.
    public var block: (elements: Int, bytes: Int)? {
        switch self {
        case .q4_0: (32, 18)
        case .q4_1: (32, 20)
        case .q5_0: (32, 22)
        case .q5_1: (32, 24)
        case .q8_0: (32, 34)
        case .q4_K: (256, 144)
        case .q5_K: (256, 176)
        case .q6_K: (256, 210)
        case .q2_K: (256, 84)
        case .q3_K: (256, 110)
        case .iq4_nl: (32, 18)
        case .iq4_xs: (256, 136)
        case .mxfp4: (32, 17)
        case .tq1_0: (256, 54)
        case .tq2_0: (256, 66)
        default: nil
        }
    }

    /// Bits of one element; of blocks rounded down.
    public var bitCount: Int {
        switch self {
        case .float4: 4
        case .float6E2M3, .float6E3M2: 6
        case .bool, .uint8, .int8, .float8E5M2, .float8E4M3, .float8E8M0, .float8E5M2FNUZ, .float8E4M3FNUZ: 8
        case .int16, .uint16, .float16, .bfloat16: 16
        case .int32, .uint32, .float32: 32
        case .complex64, .float64, .int64, .uint64: 64
        case .tq1_0: 1
        case .q2_K, .tq2_0: 2
        case .q3_K: 3
        case .q4_0, .iq4_nl, .iq4_xs, .mxfp4: 4
        case .q4_1, .q5_0, .q4_K: 5
        case .q5_1, .q5_K, .q6_K: 6
        case .q8_0: 8
        }
    }

    /// Bytes of `count` elements; `nil` if that is no whole number or does not fit in 64 bits.
    public func byteCount(of count: Int) -> Int? {
        if let block {
            guard count.isMultiple(of: block.elements) else { return nil }
            let (bytes, overflow) = (count / block.elements).multipliedReportingOverflow(by: block.bytes)
            return overflow ? nil : bytes
        }
        let (bits, overflow) = count.multipliedReportingOverflow(by: bitCount)
        if !overflow { return bits % 8 == 0 ? bits / 8 : nil }
        guard bitCount >= 8 else { return nil }
        let (bytes, doesNotFit) = count.multipliedReportingOverflow(by: bitCount / 8)
        return doesNotFit ? nil : bytes
    }
}
