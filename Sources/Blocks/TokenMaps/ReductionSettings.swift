import NestlingBasics

/// What every reducer is told alike: when and how many tokens go, which stay, and whether attention knows sizes.
public struct ReductionSettings: Sendable {
    let schedule: ReductionSchedule
    /// The layers that reduce, from 1; `nil`: all.
    let layers: Set<Int>?
    private let protection: Protection
    let isProportional: Bool

    /// Reads `{"r" or "ratio" or "keep" or "flops", "schedule"?, "layers"?, "protect"?, "proportional_attention"?}`; keys besides these
    /// and `ownKeys` are refused.
    init(
        _ fields: JSONFields, ownKeys: [String] = [], isProportional: Bool = true
    ) throws(Failure) {
        try fields.refuseUnknownKeys(
            known: ["method", "r", "ratio", "keep", "flops", "schedule", "layers", "protect", "proportional_attention"]
                + ownKeys
        )
        schedule = try ReductionSchedule(fields)
        layers = try fields.optionalIntegers("layers", in: 1...65536).map(Set.init)
        protection = try Protection(fields)
        self.isProportional = try fields.bool("proportional_attention", default: isProportional)
    }

    /// Whether the first token is protected, as far as is known without a network.
    var protectsFirst: Bool { protection.includesFirst }

    /// The tokens of a sequence of `count` that are not protected in a network whose special tokens are `special`.
    func free(_ count: Int, _ special: SpecialTokens) -> Range<Int> { protection.free(count, special) }

    /// Tokens that remain after each layer, where a sequence of `count` can lose `most(count)` at once.
    ///
    /// - Parameter extra: tokens that a reducing layer adds (a fused one), which ``ReductionSchedule/keep(_:)`` does not count.
    func remaining(
        _ tokens: Int, in outline: NetworkOutline, extra: Int = 0, most: (_ count: Int) -> Int
    ) -> [Int] {
        guard case .work(let share) = schedule else {
            return remaining(tokens, schedule, outline, extra: extra, most: most)
        }
        // The work falls as r rises: the first r that is at most the wanted share, or the one before it. The same, whatever is read
        // of the tokens.
        var outline = outline
        outline.tokensRead = nil
        var whole = outline
        whole.keyPooling = nil
        let wanted = share * whole.multiplyAdds(tokens: tokens)
        func result(_ r: Int) -> (remaining: [Int], work: Double) {
            let left = remaining(tokens, .linear(r: r, slope: 0), outline, extra: extra, most: most)
            return (left, outline.multiplyAdds(tokens: tokens, remaining: left))
        }
        var (low, high) = (0, tokens)
        while low < high {
            let middle = (low + high) / 2
            if result(middle).work <= wanted { high = middle } else { low = middle + 1 }
        }
        let (less, more) = (result(low), result(max(0, low - 1)))
        return abs(more.work - wanted) <= abs(less.work - wanted) ? more.remaining : less.remaining
    }

    private func remaining(
        _ tokens: Int, _ schedule: ReductionSchedule, _ outline: NetworkOutline, extra: Int, most: (_ count: Int) -> Int
    ) -> [Int] {
        let layers = outline.layers.count
        let active = (1...max(1, layers)).filter { self.layers?.contains($0) ?? true }.prefix(layers)
        let amounts = schedule.amounts(tokens: tokens, layers: active.count)
        var remaining = Array(repeating: tokens, count: layers)
        var count = tokens
        var step = 0
        for layer in 0..<layers {
            if step < active.count, active[step] == layer + 1 {
                let free = free(count, outline.specialTokens).count
                let wanted = schedule.keptTokens(of: free).map { free - $0 - extra } ?? amounts[step]
                count -= max(0, min(wanted, most(count)))
                step += 1
            }
            remaining[layer] = count
        }
        return remaining
    }
}
