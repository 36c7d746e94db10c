import Glibc

/// How far, and how much, a pixel counts for one that lies beside it: the filters of Pillow, by its numbers.
///
/// Shrinking by a factor of `s` widens a filter to `s` times its support, which is what avoids aliasing.
/// Source: Pillow's documentation of filters; the formulas are those of the signal processing literature.
public enum ResamplingFilter: Int, Sendable, CaseIterable {
    /// The pixel under the centre; no widening.
    case nearest = 0
    /// `sinc(x) sinc(x / 3)`, for |x| < 3.
    case lanczos = 1
    /// `1 - |x|`.
    case bilinear = 2
    /// Keys' cubic convolution with a = -1/2.
    case bicubic = 3
    /// 1 for -1/2 < x <= 1/2.
    case box = 4
    /// `sinc(x) (0.54 + 0.46 cos(pi x))`, for |x| < 1.
    case hamming = 5

    /// Half the width of the filter.
    var support: Double {
        switch self {
        case .nearest, .box: 0.5
        case .bilinear, .hamming: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }

    /// The weight at distance `x`, not normalized.
    func weight(at x: Double) -> Double {
        let distance = abs(x)
        switch self {
        case .nearest, .box: return x > -0.5 && x <= 0.5 ? 1 : 0
        case .bilinear: return max(0, 1 - distance)
        case .hamming:
            if distance == 0 { return 1 }
            return distance < 1 ? Self.sinc(distance) * (0.54 + 0.46 * cos(.pi * distance)) : 0
        case .bicubic:
            // (a + 2) x^3 - (a + 3) x^2 + 1 up to 1, a x^3 - 5a x^2 + 8a x - 4a up to 2.
            let a = -0.5
            if distance < 1 { return ((a + 2) * distance - (a + 3)) * distance * distance + 1 }
            return distance < 2 ? (((distance - 5) * distance + 8) * distance - 4) * a : 0
        case .lanczos: return x >= -3 && x < 3 ? Self.sinc(x) * Self.sinc(x / 3) : 0
        }
    }

    /// `sin(pi x) / (pi x)`.
    private static func sinc(_ x: Double) -> Double {
        if x == 0 { return 1 }
        let angle = .pi * x
        return sin(angle) / angle
    }
}
