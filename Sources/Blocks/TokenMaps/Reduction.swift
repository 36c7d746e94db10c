public import NestlingBasics
public import NestlingTensors

/// A reducer at work on some sequences: asks it layer by layer, applies its maps to the stream, and remembers where every
/// original token went.
public struct Reduction {
    private let reducer: any Reducer
    private let layers: Int
    private let special: SpecialTokens
    /// `remaining[sequence][layer]`
    private let remaining: [[Int]]
    /// Of each sequence; see ``LayerTokens/order``.
    private var orders: [[Int32]?]
    /// The row, within its sequence, that each original token is part of after each layer; -1: it was pruned.
    public private(set) var trace: [[Int32]] = []

    /// Plans the reduction of sequences of `lengths` in a network.
    public init(_ reducer: any Reducer, lengths: [Int], in outline: NetworkOutline) {
        self.reducer = reducer
        layers = outline.layers.count
        special = outline.specialTokens
        remaining = lengths.map { reducer.remainingTokens($0, in: outline) }
        orders = Array(repeating: nil, count: lengths.count)
    }

    /// Whether any sequence loses tokens in `layer`.
    public func isActive(_ layer: Int, _ context: ForwardContext) -> Bool {
        (0..<context.sequences).contains { remaining[$0][layer] < context.length($0) }
    }

    /// What `layer` is to tell.
    public var signals: Signals { reducer.signals }

    /// Whether `layer` leaves the given rows of a sequence as they are, and asks of its attention nothing but keys.
    public func leaves(_ rows: [Int], of sequence: Int, _ layer: Int, _ context: ForwardContext) -> Bool {
        let count = context.length(sequence)
        if remaining[sequence][layer] == count { return true }
        return reducer.leaves(rows, of: count, special)
    }

    /// Takes note of what `layer`, the last one, would do to sequences at `offsets` whose tokens went by `maps` before it, of which
    /// it was run only for rows that it leaves. `nil`: it does nothing.
    public mutating func note(
        _ signals: LayerSignals?, layer: Int, offsets: [Int], maps: [TokenMap], threads: Int
    ) throws(Failure) {
        var rows: [Int32] = []
        for (sequence, earlier) in maps.enumerated() {
            var whole = earlier
            if let signals {
                let range = offsets[sequence]..<offsets[sequence + 1]
                let map = try map(of: sequence, range, signals, layer: layer, threads: threads)
                if let map { whole = earlier.followed(by: map) }
            }
            rows += whole.newRow
        }
        trace.append(rows)
    }

    /// The map of one sequence in `layer`, the rows `range` of the stream; `nil`: all of it stays.
    private func map(
        of sequence: Int, _ range: Range<Int>, _ signals: LayerSignals, layer: Int, threads: Int
    ) throws(Failure) -> TokenMap? {
        let wanted = remaining[sequence][layer]
        guard wanted < range.count else { return nil }
        var tokens = signals.tokens(range, layer: layer, layers: layers, special)
        tokens.order = orders[sequence]
        return try reducer.map(tokens, remaining: wanted, threads: threads)
    }

    /// Takes note that a layer is done.
    public mutating func endLayer(_ context: ForwardContext) {
        trace.append((0..<context.sequences).flatMap { context.map(of: $0).newRow })
    }

    /// Shortens `stream` in `layer` by the signals that attention has left; returns the rows that remain, in the same
    /// memory, and updates the context.
    public mutating func apply(
        _ stream: Matrix, _ signals: LayerSignals, layer: Int, _ context: ForwardContext
    ) throws(Failure) -> Matrix {
        if context.maps.isEmpty {
            context.sizes = Array(repeating: 1, count: stream.rows)
            context.maps = (0..<context.sequences).map(context.map(of:))
        }
        var newOffsets = [0]
        for sequence in 0..<context.sequences {
            let (start, end) = (context.offsets[sequence], context.offsets[sequence + 1])
            let newStart = newOffsets[sequence]
            let map = try map(of: sequence, start..<end, signals, layer: layer, threads: context.threads)
            if let map {
                try apply(map, stream.rows(start..<end), sequence, context)
                orders[sequence] = map.nextOrder
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
        context.shorten(to: newOffsets, proportional: reducer.isProportional)
        return stream.prefix(rows: context.rows)
    }

    /// Applies the map of one sequence to its rows, which are `rows` of the stream.
    private func apply(
        _ map: TokenMap, _ rows: Matrix, _ sequence: Int, _ context: ForwardContext
    ) throws(Failure) {
        let start = context.offsets[sequence]
        context.pruned?.take(map, rows, context.maps[sequence], first: context.originalOffsets[sequence])
        let mark = context.workspace.mark
        let scratch = map.shares == nil ? nil : try context.workspace.take(rows.rows, rows.columns)
        context.sizes.withUnsafeMutableBufferPointer { sizes in
            guard let base = sizes.baseAddress else { return }
            map.apply(rows, sizes: base + start, scratch: scratch, threads: context.threads)
        }
        context.workspace.release(to: mark)
        for (new, kept) in map.keptRows.enumerated() {
            context.positions[start + new] = context.positions[start + Int(kept)]
        }
        context.maps[sequence] = context.maps[sequence].followed(by: map)
    }
}

/// The last states of tokens that were pruned, for those who want a row for every original token.
public struct PrunedTokens {
    /// The states; the leading ``count`` rows are in use.
    public let rows: Matrix
    /// How many states there are.
    public private(set) var count = 0
    /// The original tokens of the slice that were pruned, and the row of their state.
    public private(set) var tokens: [(token: Int, row: Int)] = []

    /// Will be kept in `rows`, of which there are as many as original tokens.
    public init(_ rows: Matrix) { self.rows = rows }

    /// The states in use.
    public var states: Matrix { rows.prefix(rows: count) }

    /// Keeps what `map` prunes of `current`, rows of a sequence whose original tokens, from `first` on, went by `earlier`.
    mutating func take(_ map: TokenMap, _ current: Matrix, _ earlier: TokenMap, first: Int) {
        var places: [Int32: Int] = [:]
        for old in 0..<map.oldCount where map.newRow[old] < 0 {
            rows.row(count).update(from: current.row(old), count: current.columns)
            places[Int32(truncatingIfNeeded: old)] = count
            count += 1
        }
        guard !places.isEmpty else { return }
        for (token, row) in earlier.newRow.enumerated() {
            if let place = places[row] { tokens.append((first + token, place)) }
        }
    }
}
