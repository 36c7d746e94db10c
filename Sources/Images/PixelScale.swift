/// From levels 0...255 to the numbers of a network: `(level * factor - mean) / deviation`, for red, green and blue.
///
/// The product is rounded to float32 before the mean is taken, as in transformers, which gives the same bits.
struct PixelScale: Sendable {
    /// The rescale factor; `nil` to leave levels as they are.
    var factor: Double?
    /// Mean and standard deviation of each colour; `nil` if nothing is normalized.
    var normalization: (mean: [Float], deviation: [Float])?

    /// What `level` of colour `plane` becomes.
    func value(_ level: Double, plane: Int) -> Float {
        var value = Float(factor.map { level * $0 } ?? level)
        if let normalization { value = (value - normalization.mean[plane]) / normalization.deviation[plane] }
        return value
    }

    /// Of what level `value` is the number; 0 if of none.
    func level(_ value: Float, plane: Int) -> Double {
        var level = Double(value)
        if let normalization {
            level = level * Double(normalization.deviation[plane]) + Double(normalization.mean[plane])
        }
        if let factor { level /= factor }
        return level.isFinite ? level : 0
    }

    /// The numbers of all 256 levels of each colour, `[3, 256]`.
    var table: [Float] {
        (0..<3).flatMap { plane in (0..<256).map { value(Double($0), plane: plane) } }
    }
}
