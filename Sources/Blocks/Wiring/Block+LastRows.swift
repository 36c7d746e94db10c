public import Basics
public import Tensors

extension Block {
    /// Runs the block for the rows `last` of `stream` alone, after its mixer has written to the cache what it keeps of all: later
    /// tokens need nothing else of the others. Gives the rows that are left, at the head of `stream`.
    ///
    /// What runs before the mixer runs for all rows. The results are those of ``run(_:_:_:)``, bit for bit.
    public func run(_ stream: Matrix, only last: LastRows, _ context: ForwardContext) throws(Failure) -> Matrix {
        let mark = context.workspace.mark
        defer { context.workspace.release(to: mark) }
        let before = sublayers.prefix { $0.mixer == nil }, others = sublayers.dropFirst(before.count)
        let all = try wiring?.begin(stream, context) ?? stream
        for sublayer in before { try sublayer.apply(all, context) }
        try others.first?.keep(all, context)

        let kept = context.keep(last)
        let left = stream.keep(rows: kept)
        guard !kept.isEmpty else { return left }
        let rows = wiring == nil ? left : all.keep(rows: kept)
        for sublayer in others { try sublayer.apply(rows, context) }
        try wiring?.end(rows, left, context)
        return left
    }
}
