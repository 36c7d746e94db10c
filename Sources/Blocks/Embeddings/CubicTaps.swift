/// Bicubic interpolation along one axis: which samples of the old axis make each sample of the new one, and with what weights
/// (Keys 1981). Sample centres lie at halves: `x = (i + 1/2) old / new - 1/2`.
///
/// Two kinds, as torch.nn.functional.interpolate has them with `align_corners=False`: plain (`a = -0.75`, always 4 taps, indices
/// past the ends are those of the ends) and antialiased (`a = -0.5`, the kernel as wide as a new sample where there are fewer,
/// taps past the ends left out and the others weighing 1 together).
struct CubicTaps {
    /// Taps of new sample `i` are `offsets[i] ..< offsets[i + 1]`.
    private(set) var offsets = [0]
    private(set) var indices: [Int] = []
    private(set) var weights: [Float] = []

    init(from old: Int, to new: Int, antialias: Bool) {
        let scale = Double(old) / Double(new)
        for sample in 0..<new {
            let center = (Double(sample) + 0.5) * scale
            if antialias { addWide(center, scale: max(1, scale), old) } else { addFour(center - 0.5, old) }
            offsets.append(indices.count)
        }
    }

    private mutating func addFour(_ place: Double, _ old: Int) {
        let floor = place.rounded(.down)
        for tap in -1...2 {
            indices.append(min(max(Int(floor) + tap, 0), old - 1))
            weights.append(Float(Self.cubic(place - floor - Double(tap), a: -0.75)))
        }
    }

    private mutating func addWide(_ center: Double, scale: Double, _ old: Int) {
        let first = max(Int(center - 2 * scale + 0.5), 0)
        let end = min(Int(center + 2 * scale + 0.5), old)
        let values = (first..<end).map { Self.cubic((Double($0) + 0.5 - center) / scale, a: -0.5) }
        let sum = values.reduce(0, +)
        for (index, value) in zip(first..<end, values) {
            indices.append(index)
            weights.append(Float(value / sum))
        }
    }

    /// Keys' kernel: `(a + 2)|x|^3 - (a + 3)|x|^2 + 1` up to 1, `a|x|^3 - 5a|x|^2 + 8a|x| - 4a` up to 2, and 0.
    private static func cubic(_ x: Double, a: Double) -> Double {
        let x = abs(x)
        if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
    }
}
