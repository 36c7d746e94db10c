import Basics

/// What every reducer is told alike: when and how many tokens go, which stay, and whether attention knows sizes.
public struct ReductionSettings: Sendable {
    let schedule: ReductionSchedule
    /// The layers that reduce, from 1; `nil`: all.
    let layers: Set<Int>?
    let protection: Protection
    let isProportional: Bool

    /// Reads `{"r" or "ratio" or "keep", "schedule"?, "layers"?, "protect"?, "proportional_attention"?}`; keys besides these
    /// and `ownKeys` are refused.
    init(
        _ fields: JSONFields, ownKeys: [String] = [], protects: String = "special", isProportional: Bool = true
    ) throws(Failure) {
        try fields.refuseUnknownKeys(
            known: ["method", "r", "ratio", "keep", "schedule", "layers", "protect", "proportional_attention"] + ownKeys
        )
        schedule = try ReductionSchedule(fields)
        layers = try fields.optionalIntegers("layers", in: 1...65536).map(Set.init)
        protection = try Protection(fields, default: protects)
        self.isProportional = try fields.bool("proportional_attention", default: isProportional)
    }

    /// Tokens that remain after each layer, where a sequence of `count` can lose `most(count)` at once.
    ///
    /// - Parameter extra: tokens that a reducing layer adds (a fused one), which ``ReductionSchedule/keep(_:)`` does not count.
    func remaining(_ tokens: Int, layers: Int, extra: Int = 0, most: (_ count: Int) -> Int) -> [Int] {
        let active = (1...max(1, layers)).filter { self.layers?.contains($0) ?? true }.prefix(layers)
        let amounts = schedule.amounts(tokens: tokens, layers: active.count)
        var remaining = Array(repeating: tokens, count: layers)
        var count = tokens
        var step = 0
        for layer in 0..<layers {
            if step < active.count, active[step] == layer + 1 {
                let free = protection.free(count).count
                let wanted = schedule.keptTokens(of: free).map { free - $0 - extra } ?? amounts[step]
                count -= max(0, min(wanted, most(count)))
                step += 1
            }
            remaining[layer] = count
        }
        return remaining
    }
}
