/// Attention of long sequences over the means of groups of neighbouring keys and values, in time linear in the tokens.
///
/// The `n` tokens of a sequence longer than ``exactTokens`` are cut into `G =` ``groups`` runs of neighbours, run `g` being the
/// tokens `floor(g n / G) ..< floor((g + 1) n / G)`. With sizes `s_j`, `m_g = sum_j s_j`, `k_g = sum_j s_j k_j / m_g` and `v_g`
/// likewise over the tokens of the run:
///
///     output_i = sum_g softmax_g(scale <q_i, k_g> + log m_g + bias(i, g)) v_g
///
/// This is exact where the keys of a run are equal. `bias` is that of the supports for the position of a run's middle token;
/// supports with a window stay exact, being linear already, and so do causal ones. Keys pooled to a fixed number are the linear attention of PVTv2
/// (Wang et al., arXiv 2106.13797, there averaged before the projections, on a grid); the log of their mass is ToMe's.
public struct KeyPooling: Sendable, Equatable {
    /// Sequences of up to so many tokens meet each other exactly.
    public let exactTokens: Int
    /// Groups of keys of longer ones; at most ``exactTokens``.
    public let groups: Int
}
