import NestlingBasics
import Glibc
public import NestlingTensors

/// What every part of the network may look at while one slice of a batch runs through it: where sequences begin, where
/// tokens stand, how many original tokens each stands for, and memory to work in.
///
/// Owned by one session and reused from run to run, so that the steady state allocates nothing.
public final class ForwardContext {
    /// The memory of all activations.
    public var workspace: Workspace
    /// Threads that kernels may use; 0: the process's setting.
    public let threads: Int
    /// Sequence `s` is rows `offsets[s] ..< offsets[s + 1]` of the stream, now.
    public internal(set) var offsets: [Int] = [0]
    /// Patches of each image in the stream, now; empty where the stream is no image's. Reducers do not change them: what looks at
    /// them goes with none.
    public private(set) var grids: [PatchGrid] = []
    /// The ids of the slice's original tokens; empty where they are not token ids.
    public private(set) var tokenIDs = UnsafeBufferPointer<Int32>(start: nil, count: 0)
    /// Position of each row within its original sequence, from 0. A merged row keeps that of the token merged into.
    public internal(set) var positions: [Int32] = []
    /// How many original tokens each row stands for; empty while nothing has been merged.
    public internal(set) var sizes: [Float] = []
    /// Where the original tokens of each sequence went; empty while nothing has been merged or pruned.
    public internal(set) var maps: [TokenMap] = []
    /// The last states of pruned tokens; `nil`: nobody wants them.
    public var pruned: PrunedTokens?
    /// Original tokens of sequence `s` are `originalOffsets[s] ..< originalOffsets[s + 1]`.
    public private(set) var originalOffsets: [Int] = [0]
    /// Added to the score of each key: `log(size)` when attention is proportional; empty: nothing.
    public internal(set) var keyBias: [Float] = []
    /// How attention of long sequences is approximated; `nil`: not at all.
    public var keyPooling: KeyPooling?
    /// If set, the next attention writes there what a reducer wants to know.
    public var signals: LayerSignals?

    /// A context whose workspace takes at most `memoryLimit` bytes (0: no limit).
    public init(threads: Int, memoryLimit: Int) {
        self.threads = threads
        workspace = Workspace(limit: memoryLimit)
    }

    /// What is remembered of each sequence, to which the slice's tokens are added; empty: tokens meet those of the slice only.
    public private(set) var cached: [CachedSequence] = []
    /// Keys and values that layers share, by name, where they are not in a cache.
    public var shared: [String: SharedKeys] = [:]
    /// The block that runs, counted in the whole network.
    public var layer = 0
    /// Whether the keys and values of the rows are kept already, in all layers that still run: in the cache, or in ``keptKeys``.
    public private(set) var isKept = false
    /// What the rows meet, once they are only some of their sequences' and these are in no cache.
    var keptKeys: KeptKeys?

    /// Begins a slice of whole sequences of `input`, or of the next tokens of `cached` ones; `offsets` begins with 0, `grids` are
    /// those of images.
    public func begin(
        _ input: EmbeddingInput, offsets: [Int], grids: [PatchGrid] = [], cached: [CachedSequence] = []
    ) {
        self.cached = cached
        isKept = false
        keptKeys = nil
        tokenIDs = if case .tokens(let ids, _) = input { ids } else { UnsafeBufferPointer(start: nil, count: 0) }
        self.grids = grids
        originalOffsets = offsets
        count(offsets)
        sizes.removeAll(keepingCapacity: true)
        keyBias.removeAll(keepingCapacity: true)
        maps.removeAll(keepingCapacity: true)
        pruned = nil
        shared.removeAll(keepingCapacity: true)
        signals = nil
        keyPooling = nil
    }

    /// Takes note that a downsampling has left sequences of other patches.
    public func downsample(to grids: [PatchGrid]) {
        self.grids = grids
        var offsets = [0]
        for grid in grids { offsets.append(offsets[offsets.count - 1] + grid.count) }
        count(offsets)
    }

    /// Takes sequences that begin at `offsets`, each with positions from 0 on, or after its cached tokens.
    private func count(_ offsets: [Int]) {
        self.offsets = offsets
        positions.removeAll(keepingCapacity: true)
        for sequence in 0..<offsets.count - 1 {
            let first = cached.isEmpty ? 0 : cached[sequence].tokens
            for position in first..<first + length(sequence) { positions.append(Int32(truncatingIfNeeded: position)) }
        }
    }

    /// From now on the run is about the rows `kept` alone: what others and they meet of all has been kept. Gives the rows that are
    /// left, as they were counted.
    func keep(_ kept: KeptRows) -> [Int] {
        isKept = true
        switch kept {
        case .last(let counts, let ids):
            tokenIDs = ids
            return keep(last: counts)
        case .rows(let rows):
            keep(rows)
            return rows
        }
    }

    /// Keeps the last `counts[s]` rows of each cached sequence `s`; sequences of which none is left are left out.
    private func keep(last counts: [Int]) -> [Int] {
        var rows: [Int] = []
        var left: (offsets: [Int], cached: [CachedSequence]) = ([0], [])
        for (sequence, count) in counts.enumerated() where count > 0 {
            let end = offsets[sequence + 1]
            rows += end - count..<end
            left.offsets.append(rows.count)
            left.cached.append(cached[sequence])
        }
        positions = rows.map { positions[$0] }
        (offsets, originalOffsets, cached) = (left.offsets, left.offsets, left.cached)
        return rows
    }

    /// Keeps rising rows; their sequences go on as if the others had been pruned.
    private func keep(_ rows: [Int]) {
        var newOffsets = [0], newMaps: [TokenMap] = []
        var rest = rows[...]
        for sequence in 0..<sequences {
            let own = rest.prefix { $0 < offsets[sequence + 1] }
            rest = rest.dropFirst(own.count)
            var destination = [Int32](repeating: -1, count: length(sequence))
            for row in own {
                destination[row - offsets[sequence]] = Int32(truncatingIfNeeded: row - offsets[sequence])
            }
            let pruning = TokenMap(destination: destination)
            newMaps.append(map(of: sequence).followed(by: pruning))
            newOffsets.append(newOffsets[sequence] + pruning.newCount)
            keptKeys?.tokens += pruning.keptRows.map(Int.init)
        }
        positions = rows.map { positions[$0] }
        if !sizes.isEmpty { sizes = rows.map { sizes[$0] } }
        keyBias.removeAll(keepingCapacity: true)
        (offsets, maps) = (newOffsets, newMaps)
    }

    /// Lets go of what the run was about.
    public func end() {
        cached = []
        tokenIDs = UnsafeBufferPointer(start: nil, count: 0)
    }

    /// Takes note that there are fewer tokens: `positions`, `sizes` and `maps` are already new.
    func shorten(to offsets: [Int], proportional: Bool) {
        self.offsets = offsets
        positions.removeLast(positions.count - self.rows)
        sizes.removeLast(sizes.count - self.rows)
        if proportional { keyBias = sizes.map { logf($0) } }
    }

    /// Sequences, back to back, that attend alike.
    struct Run {
        var sequences: Range<Int>
        /// Whether ``keyBias`` is for them: only for those that have merged.
        let isBiased: Bool
        /// Whether ``keyPooling`` is for them: only for long ones.
        let isPooled: Bool
    }

    var runs: [Run] {
        guard !keyBias.isEmpty || keyPooling != nil else {
            return [Run(sequences: 0..<sequences, isBiased: false, isPooled: false)]
        }
        var runs: [Run] = []
        for sequence in 0..<sequences {
            let length = length(sequence)
            let isBiased =
                !keyBias.isEmpty && length < originalOffsets[sequence + 1] - originalOffsets[sequence]
            let isPooled = keyPooling.map { length > $0.exactTokens } ?? false
            if let last = runs.last, last.isBiased == isBiased, last.isPooled == isPooled {
                runs[runs.count - 1].sequences = last.sequences.lowerBound..<sequence + 1
            } else {
                runs.append(Run(sequences: sequence..<sequence + 1, isBiased: isBiased, isPooled: isPooled))
            }
        }
        return runs
    }

    /// Where the tokens of sequence `sequence` went.
    public func map(of sequence: Int) -> TokenMap {
        maps.isEmpty ? TokenMap(identity: length(sequence)) : maps[sequence]
    }

    /// Tokens of sequence `sequence`, now.
    public func length(_ sequence: Int) -> Int { offsets[sequence + 1] - offsets[sequence] }

    /// Tokens of sequence `sequence` up to its last one that runs, those of a cache included.
    func endPosition(_ sequence: Int) -> Int {
        let end = offsets[sequence + 1]
        return end == 0 ? 0 : Int(positions[end - 1]) + 1
    }

    /// Rows of the stream, now.
    public var rows: Int { offsets.last ?? 0 }
    /// Sequences of the slice.
    public var sequences: Int { offsets.count - 1 }
}
