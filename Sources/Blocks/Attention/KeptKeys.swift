import Tensors

/// Keys and values of all tokens of a slice, where only some rows go on to meet them, and what else those meetings need of all:
/// the context tells of the rows that go on.
struct KeptKeys {
    /// `[rows, heads * headSize]`, in the workspace.
    let keys, values: Matrix
    /// Where sequences begin among them, and how their tokens attend; see ``ForwardContext``.
    let offsets: [Int]
    let positions: [Int32]
    let keyBias: [Float]
    let runs: [ForwardContext.Run]
    /// The token of its sequence that each row is that goes on; nothing until that is known.
    var tokens: [Int] = []

    /// The keys and values of the rows that `context` is about.
    init(keys: Matrix, values: Matrix, _ context: ForwardContext) {
        self.keys = keys
        self.values = values
        offsets = context.offsets
        positions = context.positions
        keyBias = context.keyBias
        runs = context.runs
    }
}
