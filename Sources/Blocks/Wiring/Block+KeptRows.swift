public import NestlingBasics
public import NestlingTensors

extension Block {
    /// Runs the block for the rows `kept` of `stream` alone, after its mixer has kept what these meet of all: in the cache, or in the
    /// context. Gives the rows that are left, at the head of `stream`.
    ///
    /// What runs before the mixer runs for all rows. The results are those of ``run(_:_:_:)``, bit for bit.
    public func run(_ stream: Matrix, only kept: KeptRows, _ context: ForwardContext) throws(Failure) -> Matrix {
        let mark = context.workspace.mark
        defer { context.workspace.release(to: mark) }
        let before = sublayers.prefix { $0.mixer == nil }, others = sublayers.dropFirst(before.count)
        let all = try wiring?.begin(stream, context) ?? stream
        for sublayer in before { try sublayer.apply(all, context) }
        let meeting = context.workspace.mark
        try others.first?.keep(all, context)
        if !context.cached.isEmpty { context.workspace.release(to: meeting) }

        let rows = context.keep(kept)
        let left = stream.keep(rows: rows)
        guard !rows.isEmpty else { return left }
        let own = wiring == nil ? left : all.keep(rows: rows)
        for sublayer in others { try sublayer.apply(own, context) }
        try wiring?.end(own, left, context)
        return left
    }

    /// Whether it can run for some rows of sequences that are in no cache: those that are left alone look at no others after the
    /// one mixer.
    public var canKeepRows: Bool {
        let mixers = sublayers.compactMap(\.mixer)
        return isReducible && mixers.count == 1 && mixers[0].cacheLayer != nil
    }

    /// Elements of a row of the keys that reducers see; 0: there are none.
    public var keySize: Int { sublayers.lazy.compactMap { $0.mixer?.metricSize }.first ?? 0 }

    /// Floats of workspace that ``run(_:only:_:)`` takes from the mixer on, of which `kept` of `rows` are kept.
    public func workspaceFloats(_ extent: StreamExtent, keeping kept: Int) -> Int {
        var left = extent
        left.rows = kept
        let others = sublayers.drop { $0.mixer == nil }
        let floats = others.reduce(0) { max($0, $1.workspaceFloats(left, hidden: sublayerSize)) }
        return floats + (others.first?.keptFloats(rows: extent.rows, hidden: sublayerSize) ?? 0)
    }
}
