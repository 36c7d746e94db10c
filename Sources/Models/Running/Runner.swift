public import Basics
public import Blocks
import Synchronization
import Tensors

/// Runs one network: the forward pass, and the memory that it needs. One thread at a time; a second one is refused.
public final class Runner: @unchecked Sendable {
    /// The network.
    public let network: Network
    private let sliceTokens: Int
    private let context: ForwardContext
    private let isBusy = Atomic<Bool>(false)
    private var history: TokenHistory?

    /// Runs `network` in slices of at most `sliceTokens` tokens, on up to `threads` threads (0: the process's setting), in
    /// at most `memoryLimit` bytes (0: no limit).
    public init(_ network: Network, sliceTokens: Int, threads: Int, memoryLimit: Int) {
        self.network = network
        self.sliceTokens = sliceTokens
        context = ForwardContext(threads: threads, memoryLimit: memoryLimit)
    }

    /// Runs `batch` and writes what `request` asks for to `output`, `[rows, columns]` of `request`'s ``ResultShape``.
    public func run(
        _ batch: Batch, _ request: Request, reducer: (any Reducer)?, into output: UnsafeMutablePointer<Float>,
        progress: Progress?
    ) throws(Failure) {
        try exclusively { () throws(Failure) in
            self.history = nil
            var history = TokenHistory(keepsLayers: reducer != nil)
            var row = 0
            for slice in batch.slices(limit: sliceTokens) {
                row += try run(batch, slice, request, reducer, output: output, row: row, &history, progress)
            }
            try progress?("encode", batch.sequences, batch.sequences)
            self.history = history
        }
    }

    // MARK: - The forward pass

    private func run(
        _ batch: Batch, _ slice: Range<Int>, _ request: Request, _ reducer: (any Reducer)?,
        output: UnsafeMutablePointer<Float>, row: Int, _ history: inout TokenHistory, _ progress: Progress?
    ) throws(Failure) -> Int {
        let first = batch.offsets[slice.lowerBound]
        let tokens = first..<batch.offsets[slice.upperBound]
        context.begin(offsets: (slice.lowerBound...slice.upperBound).map { batch.offsets[$0] - first })
        try context.workspace.reserve(
            floats: network.workspaceFloats(
                rows: tokens.count, sequences: slice.count, request, reduces: reducer != nil))
        var reduction = reducer.map { Reduction($0, lengths: slice.map(batch.length), layers: network.blocks.count) }

        var stream = try context.workspace.take(tokens.count, network.hiddenSize)
        let types = batch.types.isEmpty ? batch.types : UnsafeBufferPointer(rebasing: batch.types[tokens])
        try network.weights.embedding.apply(
            UnsafeBufferPointer(rebasing: batch.ids[tokens]), types: types, into: stream, context)
        let layers = request.layers(of: network)
        for layer in 0..<layers {
            try progress?("encode", slice.lowerBound, batch.sequences)
            stream = try run(network.blocks[layer], layer, stream, &reduction)
        }
        if layers == network.blocks.count {
            network.weights.finalNorm?.apply(stream, into: stream, threads: context.threads)
        }
        history.append(lengths: slice.map(batch.length), reduction: reduction)
        return try write(stream, request, output: output, row: row)
    }

    private func run(
        _ block: Block, _ layer: Int, _ stream: Matrix, _ reduction: inout Reduction?
    ) throws(Failure) -> Matrix {
        var stream = stream
        var mayMerge = reduction?.isActive(layer, context) == true
        for sublayer in block.sublayers {
            guard mayMerge, case .mixer(let mixer) = sublayer.operation, let size = mixer.metricSize else {
                try sublayer.apply(stream, context)
                continue
            }
            let mark = context.workspace.mark
            let metric = try context.workspace.take(stream.rows, size)
            context.metric = metric
            try sublayer.apply(stream, context)
            context.metric = nil
            if let shortened = reduction?.apply(stream, metric: metric, layer: layer, context) { stream = shortened }
            context.workspace.release(to: mark)
            mayMerge = false
        }
        if mayMerge { throw Failure(.unsupported, "layer \(layer + 1) has no keys by which tokens could be merged") }
        reduction?.endLayer()
        return stream
    }

    // MARK: - Results

    private func write(
        _ stream: Matrix, _ request: Request, output: UnsafeMutablePointer<Float>, row: Int
    ) throws(Failure) -> Int {
        switch request {
        case .vectors(let options):
            let vectors = Matrix(
                output + row * options.dimensions(of: network), rows: context.sequences,
                columns: options.dimensions(of: network))
            try network.weights.pipeline.apply(stream, into: vectors, options, context)
            return vectors.rows
        case .states(_, let unmerged):
            if unmerged, !context.originalRows.isEmpty {
                return writeUnmerged(stream, to: output + row * stream.columns)
            }
            (output + row * stream.columns).update(from: stream.pointer, count: stream.rows * stream.columns)
            return stream.rows
        case .scores(let kind, let unmerged):
            let head = try network.weights.head(kind)
            let rows = head.input == .tokens ? stream.rows : context.sequences
            guard head.input == .tokens, unmerged, !context.originalRows.isEmpty else {
                try head.apply(
                    stream, into: Matrix(output + row * head.outputs, rows: rows, columns: head.outputs), context)
                return rows
            }
            let scores = try context.workspace.take(rows, head.outputs)
            try head.apply(stream, into: scores, context)
            return writeUnmerged(scores, to: output + row * head.outputs)
        }
    }

    /// Gives every original token the row that it is part of.
    private func writeUnmerged(_ rows: Matrix, to output: UnsafeMutablePointer<Float>) -> Int {
        for (token, row) in context.originalRows.enumerated() {
            (output + token * rows.columns).update(from: rows.row(row), count: rows.columns)
        }
        return context.originalRows.count
    }

    /// Where each original token of the last run went: its row, within its sequence, after `layer` layers (`nil`: all).
    public func tokenMap(layer: Int?) throws(Failure) -> [Int32] {
        try exclusively { () throws(Failure) in
            guard let history else {
                throw Failure(.notFound, "the session has not run anything yet, or its last run has failed")
            }
            return try history.map(layer: layer, layers: network.blocks.count)
        }
    }

    private func exclusively<Result>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        guard isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
            throw Failure(.invalidArgument, "the session is in use by another thread, or by the callback's own call")
        }
        defer { isBusy.store(false, ordering: .releasing) }
        return try body()
    }
}

/// Where the tokens of a run went.
private struct TokenHistory {
    private var lengths: [Int] = []
    private var layers: [[Int32]] = []
    private let keepsLayers: Bool

    init(keepsLayers: Bool) { self.keepsLayers = keepsLayers }

    mutating func append(lengths: [Int], reduction: Reduction?) {
        self.lengths.append(contentsOf: lengths)
        guard let reduction else { return }
        for (index, rows) in reduction.trace.enumerated() {
            if index < layers.count { layers[index].append(contentsOf: rows) } else { layers.append(rows) }
        }
    }

    func map(layer: Int?, layers count: Int) throws(Failure) -> [Int32] {
        if let layer, layer < 1 || layer > count {
            throw Failure(.invalidArgument, "layer \(layer) is not in 1 ... \(count)")
        }
        if keepsLayers, let layer, layer > layers.count {
            throw Failure(.invalidArgument, "the last run ended after layer \(layers.count), before layer \(layer)")
        }
        guard keepsLayers, let rows = layer.map({ layers[$0 - 1] }) ?? layers.last else {
            return lengths.flatMap { length in (0..<length).map { Int32(truncatingIfNeeded: $0) } }
        }
        return rows
    }
}
