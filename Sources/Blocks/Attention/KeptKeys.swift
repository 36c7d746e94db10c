import NestlingTensors

/// Keys and values of all tokens of a slice, where only some rows go on to meet them: the context tells of those rows.
struct KeptKeys {
    /// `[rows, heads * headSize]`, in the workspace.
    let keys, values: Matrix
    /// All tokens.
    let met: MetTokens
    /// The token of its sequence that each row is that goes on; nothing until that is known.
    var tokens: [Int] = []

    /// The keys and values of the rows that `context` is about.
    init(keys: Matrix, values: Matrix, _ context: ForwardContext) {
        self.keys = keys
        self.values = values
        met = MetTokens(context)
    }
}
