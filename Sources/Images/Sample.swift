/// What a channel of a pixel is while it is resampled, and the arithmetic of weighted sums of it.
protocol Sample {
    /// A weight, and a sum of samples times weights.
    associatedtype Sum
    /// The weight nearest to `weight`.
    static func weight(_ weight: Double) -> Sum
    /// What a sum begins with.
    static var start: Sum { get }
    /// `sum + sample * weight`.
    static func add(_ sum: Sum, _ sample: Self, _ weight: Sum) -> Sum
    /// The sample that a sum stands for, clipped to the range of samples.
    static func finish(_ sum: Sum) -> Self
    /// Reads a sample at any address; `nil` if what is there is none.
    static func load(_ address: UnsafeRawPointer) -> Self?
    /// A colour of which the share `alpha` covers white.
    static func onWhite(_ colour: Self, alpha: Self) -> Self
}

/// 8-bit samples as Pillow sums them: weights in 22 fractional bits, so that sums fit in 32, rounded half up.
extension UInt8: Sample {
    private static var fractionBits: Int32 { 22 }

    static func weight(_ weight: Double) -> Int32 {
        // Half away from zero. Normalized weights are far from the limits; the clamp is against a trap, not for a case.
        let scaled = weight * Double(1 << fractionBits)
        return Int32(Swift.max(-2e9, Swift.min(2e9, scaled < 0 ? scaled - 0.5 : scaled + 0.5)))
    }

    static var start: Int32 { 1 << (fractionBits - 1) }

    @inline(__always)
    static func add(_ sum: Int32, _ sample: UInt8, _ weight: Int32) -> Int32 { sum &+ Int32(sample) &* weight }

    @inline(__always)
    static func finish(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: Swift.max(0, Swift.min(255, sum &>> fractionBits)))
    }

    @inline(__always)
    static func load(_ address: UnsafeRawPointer) -> UInt8? { address.load(as: UInt8.self) }

    static func onWhite(_ colour: UInt8, alpha: UInt8) -> UInt8 {
        let share = Double(alpha) / 255
        return UInt8((share * Double(colour) + (1 - share) * 255).rounded(.toNearestOrEven))
    }
}

/// Float samples in 0...1.
extension Float: Sample {
    /// How far a sample may lie outside of 0...1, to be clipped; half a level of an 8-bit image. What lies farther is not
    /// in that range at all (0...255, for example).
    static let tolerance: Float = 0.5 / 255

    static func weight(_ weight: Double) -> Float { Float(weight) }

    static var start: Float { 0 }

    @inline(__always)
    static func add(_ sum: Float, _ sample: Float, _ weight: Float) -> Float { sum.addingProduct(sample, weight) }

    @inline(__always)
    static func finish(_ sum: Float) -> Float { Swift.max(0, Swift.min(1, sum)) }

    @inline(__always)
    static func load(_ address: UnsafeRawPointer) -> Float? {
        let sample = address.loadUnaligned(as: Float.self)
        // Not-a-number fails both comparisons.
        guard sample >= -tolerance, sample <= 1 + tolerance else { return nil }
        return Swift.max(0, Swift.min(1, sample))
    }

    static func onWhite(_ colour: Float, alpha: Float) -> Float { alpha * colour + (1 - alpha) }
}
