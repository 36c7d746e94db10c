/// Measurements of one thing.
struct Samples {
    private(set) var values: [Double] = []

    mutating func add(_ value: Double) { values.append(value) }

    /// The middle one.
    var median: Double { quantile(0.5) }
    /// Half of the range in which the middle half lies.
    var spread: Double { (quantile(0.75) - quantile(0.25)) / 2 }
    /// The least.
    var least: Double { values.min() ?? 0 }

    /// The quantile, between samples in proportion.
    private func quantile(_ share: Double) -> Double {
        let sorted = values.sorted()
        guard let last = sorted.last else { return 0 }
        let position = share * Double(sorted.count - 1)
        let lower = Int(position)
        guard lower + 1 < sorted.count else { return last }
        return sorted[lower] + (position - Double(lower)) * (sorted[lower + 1] - sorted[lower])
    }

    /// How often to run what takes `seconds` for one sample of time, so that it is much longer than the clock's error and one
    /// turn of the scheduler.
    static func runs(of seconds: Double) -> Int {
        Int(min(10_000, max(1, (0.02 / max(1e-6, seconds)).rounded(.up))))
    }
}
