/// The tokens whose keys queries meet: where their sequences begin, where they stand, and how they are attended to; see
/// ``ForwardContext``.
struct MetTokens {
    let offsets: [Int]
    let positions: [Int32]
    let keyBias: [Float]
    let runs: [ForwardContext.Run]

    /// The tokens that `context` is about.
    init(_ context: ForwardContext) {
        offsets = context.offsets
        positions = context.positions
        keyBias = context.keyBias
        runs = context.runs
    }

    /// Those of an image's windows.
    init(_ layout: WindowLayout) {
        offsets = layout.offsets
        positions = layout.positions
        keyBias = []
        runs = [ForwardContext.Run(sequences: 0..<layout.sequences, isBiased: false, isPooled: false)]
    }
}
