import NestlingBasics
import Glibc

/// How rotary frequencies `f_j = theta^(-2j / size)` are changed for contexts longer than those of training, with the formulas
/// of transformers (modeling_rope_utils).
///
/// A sequence of `n` tokens is rotated as transformers rotates it when it is run whole: where the frequencies depend on the
/// length (`dynamic`, `longrope`), all of its tokens have those of `n`.
struct RotaryScaling: Sendable {
    private enum Kind: Sendable {
        /// `f_j`
        case none
        /// `f_j / factor` (Chen et al., arXiv 2306.15595)
        case linear(factor: Float)
        /// `theta` grows with the length past the `tokens` of training: by
        /// `(factor n / tokens - (factor - 1))^(size / (size - 2))` (NTK scaling).
        case dynamic(factor: Double, tokens: Int)
        case llama3(Llama3)
        case yarn(YaRN)
        /// `f_j / short_j`, and `f_j / long_j` for sequences longer than `tokens` (Ding et al., arXiv 2402.13753)
        case longRoPE(short: [Float], long: [Float], tokens: Int)
        /// The leading `pairs` have `f_j / factor`, the others are not rotated (Gemma 4).
        case proportional(factor: Float, pairs: Int)
    }

    private let kind: Kind
    /// Multiplies what is rotated: the attention factor.
    let magnitude: Float

    /// Changes nothing.
    init() {
        kind = .none
        magnitude = 1
    }

    /// Reads `{"type": "linear", "factor"}`, `{"type": "dynamic", "factor", "tokens"}`, `{"type": "llama3", "factor",
    /// "low_frequency_factor", "high_frequency_factor", "original_tokens"}`, `{"type": "yarn", "factor", "original_tokens",
    /// "beta_fast"?, "beta_slow"?, "attention_factor"?, "mscale"?, "mscale_all_dimensions"?, "truncate"?}`, `{"type": "longrope",
    /// "short_factor", "long_factor", "factor", "original_tokens", "attention_factor"?}` or `{"type": "proportional", "factor",
    /// "share"}`, for rotations of `size` elements.
    init(_ fields: JSONFields, size: Int) throws(Failure) {
        let factor = try fields.number("factor")
        guard factor > 0, factor.isFinite else { throw fields.failure("factor", "must be positive and finite") }
        func original(_ key: String = "original_tokens") throws(Failure) -> Int {
            try fields.integer(key, in: 1...Int(Int32.max))
        }
        switch try fields.string("type") {
        case "linear":
            kind = .linear(factor: Float(factor))
            magnitude = 1
        case "dynamic":
            guard size > 2 else { throw fields.failure("type", "dynamic needs more than 2 elements") }
            kind = .dynamic(factor: factor, tokens: try original("tokens"))
            magnitude = 1
        case "llama3":
            kind = .llama3(try Llama3(fields, factor, tokens: try original()))
            magnitude = 1
        case "yarn":
            let yarn = try YaRN(fields, factor, tokens: try original())
            kind = .yarn(yarn)
            let usual = try yarn.attentionFactor(fields)
            magnitude = Float(try fields.number("attention_factor", default: usual))
        case "longrope":
            func factors(_ key: String) throws(Failure) -> [Float] {
                let factors = try fields.numbers(key)
                guard factors.count == size / 2, factors.allSatisfy({ Float($0) > 0 }) else {
                    throw fields.failure(key, "must be \(size / 2) positive numbers")
                }
                return factors.map { Float($0) }
            }
            let tokens = try original()
            kind = .longRoPE(short: try factors("short_factor"), long: try factors("long_factor"), tokens: tokens)
            let usual = factor <= 1 ? 1 : (1 + log(factor) / log(Double(tokens))).squareRoot()
            magnitude = Float(try fields.number("attention_factor", default: usual))
        case "proportional":
            let share = try fields.number("share", default: 1)
            guard share >= 0, share <= 1 else { throw fields.failure("share", "must be in 0 ... 1") }
            kind = .proportional(factor: Float(factor), pairs: Int(share * Double(size)) / 2)
            magnitude = 1
        case let type:
            throw Failure(.unsupported, "\(fields.name): scaling \(type.quoted) is not known")
        }
    }

    /// Sequences of up to so many tokens have the same frequencies; `nil`: all have.
    var shortTokens: Int? {
        switch kind {
        case .dynamic(_, let tokens): tokens
        case .longRoPE(let short, let long, let tokens): short == long ? nil : tokens
        default: nil
        }
    }

    /// The inverse frequencies `[size / 2]` for a sequence of `tokens` tokens; in float32, as models were trained.
    func inverseFrequencies(theta: Double, size: Int, tokens: Int) -> [Float] {
        func plain(_ theta: Double) -> [Float] {
            (0..<size / 2).map { 1 / powf(Float(theta), Float(2 * $0) / Float(size)) }
        }
        switch kind {
        case .none: return plain(theta)
        case .linear(let factor): return plain(theta).map { $0 / factor }
        case .dynamic(let factor, let most):
            let growth = factor * Double(max(tokens, most)) / Double(most) - (factor - 1)
            return plain(theta * pow(growth, Double(size) / Double(size - 2)))
        case .llama3(let llama): return plain(theta).map(llama.scaled)
        case .yarn(let yarn): return yarn.scaled(plain(theta), theta: theta, size: size)
        case .longRoPE(let short, let long, let most):
            return zip(plain(theta), tokens > most ? long : short).map { 1 / ($1 * (1 / $0)) }
        case .proportional(let factor, let pairs):
            return plain(theta).enumerated().map { $0 < pairs ? $1 / factor : 0 }
        }
    }
}

/// Llama 3.1: frequencies of waves longer than `tokens / low` are divided by the factor, those of waves shorter than
/// `tokens / high` stay, and between them the two are mixed.
private struct Llama3: Sendable {
    private let factor, low, high, tokens: Float

    init(_ fields: JSONFields, _ factor: Double, tokens: Int) throws(Failure) {
        self.factor = Float(factor)
        self.tokens = Float(tokens)
        low = Float(try fields.number("low_frequency_factor"))
        high = Float(try fields.number("high_frequency_factor"))
        guard low > 0, high > low else {
            throw Failure(
                .corrupt, "\(fields.name): low_frequency_factor must be positive and less than high_frequency_factor")
        }
    }

    func scaled(_ frequency: Float) -> Float {
        let wavelength = 2 * Float.pi / frequency
        if wavelength > tokens / low { return frequency / factor }
        if wavelength < tokens / high { return frequency }
        let share = (tokens / wavelength - low) / (high - low)
        return (1 - share) * frequency / factor + share * frequency
    }
}

/// YaRN (Peng et al., arXiv 2309.00071): pairs that turn more than `beta_fast` times within the tokens of training keep their
/// frequency, those that turn less than `beta_slow` times have it divided by the factor, and a ramp lies between.
private struct YaRN: Sendable {
    private let factor, fast, slow, tokens: Double
    private let truncates: Bool

    init(_ fields: JSONFields, _ factor: Double, tokens: Int) throws(Failure) {
        self.factor = factor
        self.tokens = Double(tokens)
        fast = try fields.number("beta_fast", default: 32)
        slow = try fields.number("beta_slow", default: 1)
        truncates = try fields.bool("truncate", default: true)
        guard fast > 0, slow > 0 else {
            throw Failure(.corrupt, "\(fields.name): beta_fast and beta_slow must be positive")
        }
    }

    /// `0.1 ln(factor) + 1`, or the quotient of two such where both `mscale` are given.
    func attentionFactor(_ fields: JSONFields) throws(Failure) -> Double {
        func scale(_ weight: Double) -> Double { factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1 }
        let weights = (
            try fields.number("mscale", default: 0), try fields.number("mscale_all_dimensions", default: 0)
        )
        return weights.0 == 0 || weights.1 == 0 ? scale(1) : scale(weights.0) / scale(weights.1)
    }

    func scaled(_ frequencies: [Float], theta: Double, size: Int) -> [Float] {
        /// The pair, as a fraction of elements, that turns so many times.
        func pair(turning turns: Double) -> Double {
            Double(size) * log(tokens / (turns * 2 * .pi)) / (2 * log(theta))
        }
        var (first, last) = (pair(turning: fast), pair(turning: slow))
        if truncates { (first, last) = (first.rounded(.down), last.rounded(.up)) }
        (first, last) = (max(first, 0), min(last, Double(size - 1)))
        if first == last { last += 0.001 }
        return frequencies.enumerated().map { index, frequency in
            let ramp = min(max((Float(index) - Float(first)) / Float(last - first), 0), 1)
            return frequency / Float(factor) * ramp + frequency * (1 - ramp)
        }
    }
}
