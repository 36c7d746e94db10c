import Basics
public import Tensors

/// A reducer at work on one slice: asks it layer by layer, applies its maps to the stream, and remembers where every
/// original token went.
public struct Reduction {
    private let reducer: any Reducer
    /// `remaining[sequence][layer]`
    private let remaining: [[Int]]
    /// The row, within its sequence, that each original token of the slice is part of.
    private var rows: [Int32] = []
    /// `rows` after each layer.
    public private(set) var trace: [[Int32]] = []

    /// Plans the reduction of sequences of `lengths` in a network of `layers` layers.
    public init(_ reducer: any Reducer, lengths: [Int], layers: Int) {
        self.reducer = reducer
        remaining = lengths.map { reducer.remainingTokens($0, layers: layers) }
        for length in lengths { for row in 0..<length { rows.append(Int32(truncatingIfNeeded: row)) } }
    }

    /// Whether any sequence loses tokens in `layer`.
    public func isActive(_ layer: Int, _ context: ForwardContext) -> Bool {
        (0..<context.sequences).contains { remaining[$0][layer] < context.offsets[$0 + 1] - context.offsets[$0] }
    }

    /// Takes note that a layer is done.
    public mutating func endLayer() { trace.append(rows) }

    /// Shortens `stream` in `layer` by the metric that attention has left; returns the rows that remain, in the same
    /// memory, and updates the context.
    public mutating func apply(_ stream: Matrix, metric: Matrix, layer: Int, _ context: ForwardContext) -> Matrix {
        if context.sizes.isEmpty { context.sizes = Array(repeating: 1, count: stream.rows) }
        var newOffsets = [0]
        for sequence in 0..<context.sequences {
            let (start, end) = (context.offsets[sequence], context.offsets[sequence + 1])
            let newStart = newOffsets[sequence]
            let map = reducer.map(
                metric.rows(start..<end), remaining: remaining[sequence][layer], threads: context.threads)
            if let map {
                context.sizes.withUnsafeMutableBufferPointer { sizes in
                    if let base = sizes.baseAddress { map.merge(stream.rows(start..<end), sizes: base + start) }
                }
                for (new, kept) in map.keptRows.enumerated() {
                    context.positions[start + new] = context.positions[start + Int(kept)]
                }
                for token in context.originalOffsets[sequence]..<context.originalOffsets[sequence + 1] {
                    rows[token] = map.newRow[Int(rows[token])]
                }
            }
            let count = map?.newCount ?? end - start
            if newStart != start {
                stream.row(newStart).update(from: stream.row(start), count: count * stream.stride)
                for row in 0..<count {
                    context.positions[newStart + row] = context.positions[start + row]
                    context.sizes[newStart + row] = context.sizes[start + row]
                }
            }
            newOffsets.append(newStart + count)
        }
        context.shorten(to: newOffsets, rows: rows, proportional: reducer.isProportional)
        return stream.prefix(rows: context.rows)
    }
}
