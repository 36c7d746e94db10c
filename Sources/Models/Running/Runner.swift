public import NestlingBasics
public import NestlingBlocks
import NestlingKernels
import Synchronization
import NestlingTensors

/// Runs one network: the forward pass, and the memory that it needs. One thread at a time; a second one is refused.
public final class Runner: @unchecked Sendable {
    /// The network.
    public let network: Network
    private let sliceTokens: Int
    private let context: ForwardContext
    /// Of threads that run groups apart; their workspaces are parts of that of `context`.
    private var lanes: [ForwardContext] = []
    private let isBusy = Atomic<Bool>(false)
    private var history: TokenHistory?

    /// Runs `network` in slices of at most `sliceTokens` tokens, on up to `threads` threads (0: the process's setting), in
    /// at most `memoryLimit` bytes (0: no limit).
    public init(_ network: Network, sliceTokens: Int, threads: Int, memoryLimit: Int) {
        self.network = network
        self.sliceTokens = sliceTokens
        context = ForwardContext(threads: threads, memoryLimit: memoryLimit)
    }

    /// Runs `batch` and writes what `request` asks for to `output`, `[rows, columns]` of `shape`, which was made for the
    /// same batch, request and reducer.
    public func run(
        _ batch: Batch, _ request: Request, shape: ResultShape, reducer: (any Reducer)?,
        into output: UnsafeMutablePointer<Float>, progress: ProgressHandler?
    ) throws(Failure) {
        try exclusively { () throws(Failure) in
            self.history = nil
            var history = TokenHistory(keepsLayers: reducer != nil)
            let pass = try ForwardPass(network, batch, request, shape: shape, reducer: reducer, output: output)
            for slice in batch.groups(of: 0..<batch.sequences, tokens: sliceTokens) {
                for (group, reduction) in try run(slice, pass, progress) {
                    history.append(lengths: group.map(batch.length), grids: batch.grids(group), reduction: reduction)
                }
            }
            try progress?("encode", batch.sequences, batch.sequences)
            self.history = history
        }
    }

    /// Runs the sequences `slice`: those of the schedule that run apart, then the others.
    private func run(
        _ slice: Range<Int>, _ pass: ForwardPass, _ progress: ProgressHandler?
    ) throws(Failure) -> [(group: Range<Int>, reduction: Reduction?)] {
        let batch = pass.batch
        try context.workspace.reserve(floats: pass.workspaceFloats(slice), besides: pass.mapFloats(slice))
        let threads = Int(nk_running_threads(Int32(clamping: context.threads)))
        let floats = try Double(pass.workspaceFloats(slice) + Workspace.roundings)
        // Padding of windows, and with it memory, is not the same for all sizes of images.
        let schedule = Schedule(batch, slice, hiddenSize: network.streamSize, threads: threads) { group in
            batch.grids.isEmpty ? 0 : Double((try? pass.workspaceFloats(group)) ?? .max) / floats
        }
        var results: [(group: Range<Int>, reduction: Reduction?)] = []
        var done = slice.lowerBound
        if !schedule.apart.isEmpty {
            while lanes.count < schedule.lanes { lanes.append(ForwardContext(threads: 1, memoryLimit: 0)) }
            for lane in 0..<schedule.lanes { lanes[lane].workspace = context.workspace.part(lane, of: schedule.lanes) }
            defer { for lane in lanes { lane.workspace = Workspace(limit: 0) } }
            results = try Lanes(pass, schedule.apart, sequencesDone: done, progress).run(lanes.prefix(schedule.lanes))
            done += schedule.apart.reduce(0) { $0 + $1.count }
        }
        for group in schedule.together {
            let reduction = try pass.run(group, context) { () throws(Failure) in
                try progress?("encode", done, batch.sequences)
            }
            results.append((group, reduction))
            done += group.count
        }
        return results.sorted { $0.group.lowerBound < $1.group.lowerBound }
    }

    /// Where each original token of the last run went: its row, within its sequence, after `layer` layers (`nil`: all).
    public func tokenMap(layer: Int?) throws(Failure) -> [Int32] {
        try exclusively { () throws(Failure) in
            guard let history else {
                throw Failure(.notFound, "the session has not run anything yet, or its last run has failed")
            }
            return try history.map(layer: layer, of: network)
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
    private var grids: [PatchGrid] = []
    private var layers: [[Int32]] = []
    private let keepsLayers: Bool

    init(keepsLayers: Bool) { self.keepsLayers = keepsLayers }

    mutating func append(lengths: [Int], grids: [PatchGrid], reduction: Reduction?) {
        self.lengths.append(contentsOf: lengths)
        self.grids.append(contentsOf: grids)
        guard let reduction else { return }
        for (index, rows) in reduction.trace.enumerated() {
            if index < layers.count { layers[index].append(contentsOf: rows) } else { layers.append(rows) }
        }
    }

    func map(layer: Int?, of network: Network) throws(Failure) -> [Int32] {
        let count = network.blocks.count
        if let layer, layer < 1 || layer > count {
            throw Failure(.invalidArgument, "layer \(layer) is not in 1 ... \(count)")
        }
        if keepsLayers, let layer, layer > layers.count {
            throw Failure(.invalidArgument, "the last run ended after layer \(layers.count), before layer \(layer)")
        }
        let downsamplings = network.blocks.prefix(layer ?? count).compactMap(\.downsampling)
        if !downsamplings.isEmpty {
            return grids.flatMap { grid in downsamplings.reduce(PatchPlaces(grid)) { $0.downsampled(by: $1) }.rows }
        }
        guard keepsLayers, let rows = layer.map({ layers[$0 - 1] }) ?? layers.last else {
            return lengths.flatMap { length in (0..<length).map { Int32(truncatingIfNeeded: $0) } }
        }
        return rows
    }
}
