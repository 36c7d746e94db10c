public import NestlingBasics
public import NestlingBlocks
import NestlingTensors

/// The size of what a request gives, known before it is run.
public struct ResultShape: Sendable {
    /// Row at which each sequence begins, and their end.
    public let offsets: [Int]
    /// Elements of a row.
    public let columns: Int

    /// Rows in all.
    public var rows: Int { offsets.last ?? 0 }

    /// The shape of what `network` gives for `batch`, which is checked here.
    public init(
        _ batch: Batch, _ request: Request, reducer: (any Reducer)?, _ network: Network
    ) throws(Failure) {
        try batch.check(network)
        if reducer != nil { try network.checkReducible() }
        switch request {
        case .vectors(let options):
            try options.check(network)
            offsets = Array(0...batch.sequences)
            columns = options.dimensions(of: network)
        case .states(let layer, let unmerged):
            guard (0...network.blocks.count).contains(layer) else {
                throw Failure(.invalidArgument, "layer \(layer) is not in 0 ... \(network.blocks.count)")
            }
            offsets = ResultShape.tokenOffsets(batch, unmerged ? nil : reducer, network, after: layer)
            columns = network.hiddenSize(after: layer)
        case .scores(let kind, let unmerged):
            let head = try network.weights.head(kind)
            columns = head.outputs
            offsets =
                head.isPerToken
                ? ResultShape.tokenOffsets(batch, unmerged ? nil : reducer, network, after: network.blocks.count)
                : Array(0...batch.sequences)
        }
    }

    /// Floats of the vectors of `sequences` sequences, before anything is known of them.
    public static func vectorElements(
        _ sequences: Int, _ options: VectorOptions, _ network: Network
    ) throws(Failure) -> Int {
        try options.check(network)
        return try sequences.multiplied(by: options.dimensions(of: network), "result")
    }

    /// Floats in all.
    public func elementCount() throws(Failure) -> Int { try rows.multiplied(by: columns, "result") }

    private static func tokenOffsets(
        _ batch: Batch, _ reducer: (any Reducer)?, _ network: Network, after layer: Int
    ) -> [Int] {
        if network.blocks.prefix(layer).contains(where: { $0.downsampling != nil }) {
            return batch.grids.reduce(into: [0]) { $0.append($0[$0.count - 1] + network.grid($1, after: layer).count) }
        }
        guard let reducer, layer > 0 else { return batch.offsets }
        let outline = network.outline
        var offsets = [0]
        for sequence in 0..<batch.sequences {
            let remaining = reducer.remainingTokens(batch.length(sequence), in: outline)
            offsets.append(offsets[sequence] + remaining[layer - 1])
        }
        return offsets
    }
}

extension VectorOptions {
    /// Elements of a vector of `network`.
    func dimensions(of network: Network) -> Int {
        min(dimensions ?? .max, available(network))
    }

    /// What the network gives: a pooling of the caller's choice may give fewer elements than the checkpoint's several.
    private func available(_ network: Network) -> Int {
        min(
            network.kept.outputDimensions,
            network.weights.pipeline.dimensions(self, hiddenSize: network.hiddenSize))
    }

    func check(_ network: Network) throws(Failure) {
        if let dimensions, !(1...available(network)).contains(dimensions) {
            throw Failure(.invalidArgument, "output dimensions \(dimensions) are not in 1 ... \(available(network))")
        }
        guard skippedTokens >= 0 else {
            throw Failure(.invalidArgument, "\(skippedTokens) tokens cannot be left out")
        }
        try network.weights.pipeline.check(self, hiddenSize: network.hiddenSize)
    }
}

extension Request {
    /// Blocks that have to be run.
    func layers(of network: Network) -> Int {
        if case .states(let layer, _) = self { return layer }
        return network.blocks.count
    }

    /// Tokens of each sequence of which the result is made; `nil`: all.
    func tokensRead(of network: Network) throws(Failure) -> SpecialTokens? {
        switch self {
        case .vectors(let options): network.weights.pipeline.tokensRead(options)
        case .states: nil
        case .scores(let kind, _): try network.weights.head(kind).tokensRead()
        }
    }

    /// Whether every original token is to have a row, although there are fewer.
    var isUnmerged: Bool {
        switch self {
        case .vectors: false
        case .states(_, let unmerged), .scores(_, let unmerged): unmerged
        }
    }
}

extension Network {
    /// Floats of the stream in the first `layers` blocks, where it takes most.
    func streamFloats(_ extent: StreamExtent, layers: Int) -> Int {
        var extent = extent
        var floats = Workspace.floats(extent.rows, streamSize)
        for block in blocks.prefix(layers) {
            guard let downsampling = block.downsampling else { continue }
            extent = downsampling.extent(after: extent)
            floats = max(floats, Workspace.floats(extent.rows, downsampling.outputSize))
        }
        return floats
    }

    /// Floats of workspace that a slice of sequences takes; `reducer`: of a reduced run.
    public func workspaceFloats(
        _ whole: StreamExtent, _ request: Request, reducer: ReducerNeeds?
    ) throws(Failure) -> Int {
        var extent = whole
        var blockFloats = 0
        let layers = request.layers(of: self)
        for (index, block) in blocks.prefix(layers).enumerated() {
            let (rows, hiddenSize) = (extent.rows, block.sublayerSize)
            let floats = block.workspaceFloats(rows) { sublayer in
                var floats = sublayer.workspaceFloats(extent, hidden: hiddenSize)
                if let reducer, case .mixer(let mixer) = sublayer.operation, let size = mixer.metricSize {
                    floats = max(floats, reducer.mixes ? Workspace.floats(rows, hiddenSize) : 0)
                    floats += LayerSignals.floats(reducer.signals, rows: rows, metricSize: size, heads: mixer.heads)
                }
                return floats
            }
            blockFloats = max(blockFloats, floats)
            if index == blocks.count - 1, let read = try request.tokensRead(of: self), block.canKeepRows {
                let kept = min(extent.rows, extent.sequences * (read.first + read.last))
                let signals =
                    reducer.map {
                        LayerSignals.floats($0.signals, rows: rows, metricSize: block.keySize, heads: block.heads)
                    }
                blockFloats = max(blockFloats, (signals ?? 0) + block.workspaceFloats(extent, keeping: kept))
            }
            guard let downsampling = block.downsampling else { continue }
            blockFloats = max(blockFloats, downsampling.workspaceFloats(extent))
            extent = downsampling.extent(after: extent)
        }
        let keepsPruned = reducer?.prunes == true && request.isUnmerged
        var ending: Int
        switch request {
        case .vectors:
            ending = weights.pipeline.workspaceFloats(
                rows: extent.rows, sequences: extent.sequences, hiddenSize: hiddenSize)
        case .states: ending = 0
        case .scores(let kind, _):
            let head = try weights.head(kind)
            ending =
                head.workspaceFloats(rows: extent.rows)
                + (reducer == nil ? 0 : Workspace.floats(extent.rows, head.outputs)) * (keepsPruned ? 2 : 1)
        }
        if layers == blocks.count { ending = max(ending + stateFloats(rows: extent.rows), readoutFloats(extent.rows)) }
        let shared = sharedKeys.values.reduce(0) { $0 + 2 * Workspace.spreadFloats(whole.rows, $1) }
        return shared + streamFloats(whole, layers: layers) * (keepsPruned ? 2 : 1)
            + max(weights.embedding.workspaceFloats(rows: whole.rows), blockFloats, ending)
    }
}

/// What a reducer needs of the workspace.
public struct ReducerNeeds: Sendable {
    let signals: Signals
    let prunes: Bool
    let mixes: Bool

    /// Those of `reducer`.
    public init(_ reducer: any Reducer) {
        (signals, prunes, mixes) = (reducer.signals, reducer.prunes, reducer.mixes)
    }

    private init(signals: Signals, prunes: Bool, mixes: Bool) {
        (self.signals, self.prunes, self.mixes) = (signals, prunes, mixes)
    }

    /// Enough for every reducer.
    public static let all = ReducerNeeds(signals: [.keys, .attentionReceived], prunes: true, mixes: true)
}
