/// Tokens that may come next, with what they are weighed by; probabilities are weights over their sum.
struct Distribution {
    /// Of each token that may come: its id and its weight, which is not negative. Never empty.
    private(set) var candidates: [(token: Int32, weight: Double)]
    private let total: Double

    /// `candidates`, of which one at least has a weight above 0.
    init(_ candidates: [(token: Int32, weight: Double)]) {
        self.candidates = candidates
        total = candidates.reduce(0) { $0 + $1.weight }
    }

    /// Only `token`.
    init(certain token: Int32) { self.init([(token, 1)]) }

    /// The probability of `token`.
    func probability(_ token: Int32) -> Double {
        for candidate in candidates where candidate.token == token { return candidate.weight / total }
        return 0
    }

    /// A token, for a number in `[0, 1)`.
    func token(at number: Double) -> Int32 {
        var left = number * total
        for candidate in candidates where candidate.weight > 0 {
            left -= candidate.weight
            if left < 0 { return candidate.token }
        }
        // What rounding left over belongs to the last one.
        return (candidates.last { $0.weight > 0 } ?? candidates[0]).token
    }

    /// `max(0, p - q)` of this `p`, which is what has to be drawn from after a draft drawn from `q` was refused (Leviathan et al.,
    /// arXiv 2211.17192); `nil` if nothing is left.
    func less(_ draft: Distribution) -> Distribution? {
        var drafted: [Int32: Double] = [:]
        for candidate in draft.candidates { drafted[candidate.token] = candidate.weight / draft.total }
        let rest = candidates.map { ($0.token, max(0, $0.weight / total - (drafted[$0.token] ?? 0))) }
        return rest.contains { $0.1 > 0 } ? Distribution(rest) : nil
    }
}
