internal import NestlingKernels

/// In what keys and values are kept from run to run.
public enum CacheType: String, Sendable, CaseIterable {
    /// Exact; attention is then computed in float32.
    case float32
    /// Rounded to nearest even; attention is computed in bfloat16 with float32 sums.
    case bfloat16
    /// 8 bits with a scale for each token and head; attention as with ``bfloat16``.
    case int8

    /// The same type, as the kernels name it.
    var kernel: nk_cache_type {
        switch self {
        case .float32: NK_CACHE_F32
        case .bfloat16: NK_CACHE_BF16
        case .int8: NK_CACHE_I8
        }
    }
}
