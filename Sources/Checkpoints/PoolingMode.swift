/// How the vectors of a sequence's tokens become one vector. The raw values are sentence-transformers' names.
public enum PoolingMode: String, Sendable, CaseIterable {
    /// The first token's vector.
    case first = "cls"
    /// The largest value of each feature.
    case maximum = "max"
    /// The mean of all tokens.
    case mean = "mean"
    /// The sum of all tokens, divided by the square root of their number.
    case meanSquareRoot = "mean_sqrt_len_tokens"
    /// The mean, in which token i (from 1) weighs i.
    case weightedMean = "weightedmean"
    /// The last token's vector.
    case last = "lasttoken"

    /// The key that switched the mode on before there was `pooling_mode`.
    ///
    /// Several at once are concatenated in the order of the cases, whatever the order of the keys.
    var switchKey: String {
        switch self {
        case .first: "pooling_mode_cls_token"
        case .maximum: "pooling_mode_max_tokens"
        case .mean: "pooling_mode_mean_tokens"
        case .meanSquareRoot: "pooling_mode_mean_sqrt_len_tokens"
        case .weightedMean: "pooling_mode_weightedmean_tokens"
        case .last: "pooling_mode_lasttoken"
        }
    }
}
