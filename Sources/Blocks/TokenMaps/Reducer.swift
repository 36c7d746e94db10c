import Basics
public import Tensors

/// Anything that shortens a sequence inside the network: decides, for one sequence at one layer, which tokens become one.
public protocol Reducer: Sendable {
    /// Whether attention of later layers adds `log(size)` to each key's score (proportional attention).
    var isProportional: Bool { get }

    /// How many tokens remain after each of `layers` layers of a sequence that begins with `tokens`: `layers` numbers
    /// that never rise. Known without running anything.
    func remainingTokens(_ tokens: Int, layers: Int) -> [Int]

    /// The map of one sequence whose rows have the merging metric `metric` `[rows, metric size]` (rows of length 1),
    /// such that at most `remaining` rows are left, or `nil` if all stay.
    func map(_ metric: Matrix, remaining: Int, threads: Int) -> TokenMap?
}
