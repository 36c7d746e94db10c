import Glibc

/// An axis of a plot: a range of numbers, laid on a range of pixels.
struct PlotAxis {
    let range: ClosedRange<Double>
    /// The pixels of the range's ends.
    private let from, to: Double

    /// Shows `values`, finite and in any order, with a margin.
    init(_ values: [Double], from: Double, to: Double) {
        let (least, most) = (values.min() ?? 0, values.max() ?? 1)
        let margin = most > least ? (most - least) * 0.06 : Swift.max(abs(most) * 0.05, 1e-6)
        range = least - margin...most + margin
        (self.from, self.to) = (from, to)
    }

    /// The pixel of a value.
    func place(_ value: Double) -> Double {
        from + (value - range.lowerBound) / (range.upperBound - range.lowerBound) * (to - from)
    }

    /// Round numbers inside the range, 1, 2 or 5 times a power of ten apart, and how they are written.
    var ticks: [(value: Double, text: String)] {
        let rough = (range.upperBound - range.lowerBound) / 6
        guard rough > 0, rough.isFinite else { return [] }
        let power = pow(10, log10(rough).rounded(.down))
        let step = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10)
        let digits = Swift.max(0, Int(-log10(step).rounded(.down)))
        let first = (range.lowerBound / step).rounded(.up)
        let count = Int(Swift.min(50, (range.upperBound / step).rounded(.down) - first + 1))
        return (0..<Swift.max(0, count)).map { index in
            let value = (first + Double(index)) * step
            return (value, value.rounded(to: Swift.min(12, digits)))
        }
    }
}
