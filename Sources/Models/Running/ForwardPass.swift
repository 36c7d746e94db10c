import NestlingBasics
import NestlingBlocks
import NestlingTensors

/// The forward pass: from the token ids or images of some sequences of a batch to their part of the result. Any number of threads may run
/// it at a time, on other sequences and in other contexts.
struct ForwardPass {
    let batch: Batch
    private let network: Network
    private let request: Request
    private let shape: ResultShape
    private let reducer: (any Reducer)?
    private let head: Head?
    private let output: UnsafeMutablePointer<Float>

    /// The pass that writes what `request` asks for, of `shape`, to `output`.
    init(
        _ network: Network, _ batch: Batch, _ request: Request, shape: ResultShape, reducer: (any Reducer)?,
        output: UnsafeMutablePointer<Float>
    ) throws(Failure) {
        self.network = network
        self.batch = batch
        self.request = request
        self.shape = shape
        self.reducer = reducer
        self.output = output
        if case .scores(let kind, _) = request { head = try network.weights.head(kind) } else { head = nil }
    }

    /// Floats of workspace that running the sequences `group` takes.
    func workspaceFloats(_ group: Range<Int>) throws(Failure) -> Int {
        try network.workspaceFloats(batch.extent(group), request, reducer: reducer.map(ReducerNeeds.init))
    }

    /// Floats that the token maps of the sequences `slice` take outside the workspace.
    func mapFloats(_ slice: Range<Int>) throws(Failure) -> Int {
        guard let reducer, reducer.mixes else { return 0 }
        var sum = 0
        for sequence in slice {
            let floats = try reducer.mapFloats(tokens: batch.length(sequence), in: network.outline)
            sum = try sum.added(to: floats, "token maps")
        }
        return sum
    }

    /// Runs the sequences `group`; `beforeBlock` is called before each block.
    func run(
        _ group: Range<Int>, _ context: ForwardContext, beforeBlock: () throws(Failure) -> Void
    ) throws(Failure) -> Reduction? {
        let first = batch.offsets[group.lowerBound]
        let input = try batch.input(group, threads: context.threads)
        context.begin(
            input, offsets: (group.lowerBound...group.upperBound).map { batch.offsets[$0] - first },
            grids: batch.grids(group))
        try context.workspace.reserve(floats: workspaceFloats(group))
        var reduction = reducer.map { Reduction($0, lengths: group.map(batch.length), in: network.outline) }

        context.keyPooling = reducer?.keyPooling
        if reducer?.prunes == true, request.isUnmerged {
            context.pruned = PrunedTokens(try context.workspace.take(batch.tokens(group), network.hiddenSize))
        }
        let layers = request.layers(of: network)
        for (name, size) in network.sharedKeys {
            context.shared[name] = SharedKeys(
                keys: try context.workspace.takeSpread(batch.tokens(group), size),
                values: try context.workspace.takeSpread(batch.tokens(group), size))
        }
        let room = try context.workspace.take(1, network.streamFloats(batch.extent(group), layers: layers))
        var stream = Matrix(room.pointer, rows: batch.tokens(group), columns: network.streamSize)
        try network.weights.embedding.apply(input, into: stream, context)
        for layer in 0..<layers {
            try beforeBlock()
            context.layer = network.kept.layers[layer]
            if let rows = rowsRead(after: layer, reduction, context) {
                stream = try run(network.blocks[layer], layer, stream, only: rows, &reduction, context)
                continue
            }
            stream = try network.blocks[layer].run(stream, context) { rows throws(Failure) in
                try run(network.blocks[layer], layer, rows, &reduction, context)
            }
            if let downsampling = network.blocks[layer].downsampling {
                stream = try downsample(stream, by: downsampling, context)
            }
        }
        if layers == network.blocks.count {
            stream = try network.readOut(stream, context)
            for states in [stream, context.pruned?.states].compactMap({ $0 }) {
                network.weights.finalNorm?.apply(states, into: states, threads: context.threads)
            }
        }
        try write(stream, to: output + shape.offsets[group.lowerBound] * shape.columns, context)
        return reduction
    }

    /// The rows of which the result is made, where `layer` is the last one and need not run for others: after the keys and values
    /// of all it does nothing that reaches the result. `nil`: it runs for all.
    private func rowsRead(after layer: Int, _ reduction: Reduction?, _ context: ForwardContext) -> [Int]? {
        guard layer == network.blocks.count - 1, network.blocks[layer].canKeepRows, context.keyPooling == nil
        else { return nil }
        var rows: [Int] = []
        for sequence in 0..<context.sequences {
            let own: [Int]? =
                switch request {
                case .vectors(let options): network.weights.pipeline.rows(of: sequence, options, context)
                case .states: nil
                case .scores: head.flatMap { $0.isPerToken ? nil : $0.rows(of: sequence, context) }
                }
            guard let own, reduction?.leaves(own, of: sequence, layer, context) != false else { return nil }
            rows += own.map { context.offsets[sequence] + $0 }
        }
        return rows.count < context.rows ? rows : nil
    }

    private func run(
        _ block: Block, _ layer: Int, _ stream: Matrix, _ reduction: inout Reduction?, _ context: ForwardContext
    ) throws(Failure) -> Matrix {
        var stream = stream
        var mayMerge = reduction?.isActive(layer, context) == true
        for sublayer in block.sublayers {
            guard mayMerge, case .mixer(let mixer) = sublayer.operation, let size = mixer.metricSize else {
                try sublayer.apply(stream, context)
                continue
            }
            let mark = context.workspace.mark
            let signals = try LayerSignals(
                reduction?.signals ?? [], rows: stream.rows, metricSize: size, heads: mixer.heads,
                from: &context.workspace)
            context.signals = signals
            try sublayer.apply(stream, context)
            context.signals = nil
            if let shortened = try reduction?.apply(stream, signals, layer: layer, context) { stream = shortened }
            context.workspace.release(to: mark)
            mayMerge = false
        }
        if mayMerge { throw Failure(.unsupported, "layer \(layer + 1) has no keys by which tokens could be merged") }
        reduction?.endLayer(context)
        return stream
    }

    /// Runs the last block for the rows `kept` alone, and lets `reduction` note what it would do to the others.
    private func run(
        _ block: Block, _ layer: Int, _ stream: Matrix, only kept: [Int], _ reduction: inout Reduction?,
        _ context: ForwardContext
    ) throws(Failure) -> Matrix {
        let mark = context.workspace.mark
        let (offsets, maps) = (context.offsets, (0..<context.sequences).map(context.map(of:)))
        if let reduction, reduction.isActive(layer, context) {
            context.signals = try LayerSignals(
                reduction.signals, rows: stream.rows, metricSize: block.keySize, heads: block.heads,
                from: &context.workspace)
        }
        let left = try block.run(stream, only: .rows(kept), context)
        try reduction?.note(context.signals, layer: layer, offsets: offsets, maps: maps, threads: context.threads)
        context.signals = nil
        context.workspace.release(to: mark)
        return left
    }

    /// Makes fewer, wider rows of `stream`, in the same memory.
    private func downsample(
        _ stream: Matrix, by downsampling: any Downsampling, _ context: ForwardContext
    ) throws(Failure) -> Matrix {
        let grids = context.grids.map(downsampling.grid(after:))
        let output = Matrix(
            stream.pointer, rows: grids.reduce(0) { $0 + $1.count }, columns: downsampling.outputSize)
        try downsampling.apply(stream, into: output, context)
        context.downsample(to: grids)
        return output
    }

    private func write(
        _ stream: Matrix, to output: UnsafeMutablePointer<Float>, _ context: ForwardContext
    ) throws(Failure) {
        switch request {
        case .vectors(let options):
            let vectors = Matrix(output, rows: context.sequences, columns: shape.columns)
            try network.weights.pipeline.apply(stream, into: vectors, options, context)
        case .states(_, let unmerged):
            if unmerged, !context.maps.isEmpty {
                writeUnmerged(stream, pruned: context.pruned?.states, to: output, context)
            } else {
                output.update(from: stream.pointer, count: stream.rows * stream.columns)
            }
        case .scores(let kind, let unmerged):
            guard let head else { throw Failure(.internal, "the head \(kind.name) was not built") }
            let rows = head.isPerToken ? stream.rows : context.sequences
            guard head.isPerToken, unmerged, !context.maps.isEmpty else {
                return try head.apply(stream, into: Matrix(output, rows: rows, columns: head.outputs), context)
            }
            let scores = try context.workspace.take(rows, head.outputs)
            try head.apply(stream, into: scores, context)
            var prunedScores: Matrix?
            if let states = context.pruned?.states, states.rows > 0 {
                let scores = try context.workspace.take(states.rows, head.outputs)
                try head.apply(states, into: scores, context)
                prunedScores = scores
            }
            writeUnmerged(scores, pruned: prunedScores, to: output, context)
        }
    }

    /// Gives every original token what it is part of; a pruned one its row of `pruned`.
    private func writeUnmerged(
        _ rows: Matrix, pruned: Matrix?, to output: UnsafeMutablePointer<Float>, _ context: ForwardContext
    ) {
        for (sequence, map) in context.maps.enumerated() {
            let now = rows.rows(context.offsets[sequence]..<context.offsets[sequence + 1])
            let first = output + context.originalOffsets[sequence] * rows.columns
            map.restore(
                now, into: Matrix(first, rows: map.oldCount, columns: rows.columns), threads: context.threads)
        }
        guard let pruned else { return }
        for (token, row) in context.pruned?.tokens ?? [] {
            (output + token * rows.columns).update(from: pruned.row(row), count: rows.columns)
        }
    }
}
