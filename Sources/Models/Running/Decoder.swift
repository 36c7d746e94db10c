public import NestlingBasics
public import NestlingBlocks
import Synchronization
import NestlingTensors

/// Runs the next tokens of sequences whose earlier ones are remembered. One thread at a time; a second one is refused.
///
/// A step takes any mix of sequences and of tokens: slices of prompts, single tokens, several to be verified at once. The scores
/// of a token depend on its sequence alone, bit for bit, not on the step that ran it. What comes after the last keys and values that
/// are kept runs only for tokens that are scored.
public final class Decoder: @unchecked Sendable {
    /// The network that steps run unless they name another one of the same weights.
    public let network: Network
    /// What sequences keep.
    public let layout: CacheLayout
    /// Scores of a token: the vocabulary.
    public let vocabularySize: Int
    /// The most tokens that a sequence may have; `nil`: any number.
    public let maximumTokens: Int?
    /// Where the pages of sequences come from.
    public let pool: CachePagePool
    private let head: Head
    private let context: ForwardContext
    private let isBusy = Atomic<Bool>(false)

    /// New tokens of a sequence.
    public struct Part {
        /// What is remembered, to which the tokens are added.
        public var sequence: CachedSequence
        /// At least one.
        public var tokens: ArraySlice<Int32>
        /// How many of the last ones are to be scored.
        public var scored: Int

        /// The next `tokens` of `sequence`, of which the last `scored` are to be scored.
        public init(_ sequence: CachedSequence, _ tokens: ArraySlice<Int32>, scored: Int) {
            self.sequence = sequence
            self.tokens = tokens
            self.scored = scored
        }
    }

    /// A decoder of `network`, on up to `threads` threads (0: the process's setting).
    ///
    /// - Parameters:
    ///   - memoryLimit: bytes of the activations of a step; 0: no limit.
    ///   - cacheLimit: bytes of the pages of all sequences; 0: no limit.
    /// - Throws: `.unsupported` if the network cannot generate; `.notFound` if it has no head that scores the next token.
    public init(
        _ network: Network, cacheType: CacheType, threads: Int, memoryLimit: Int, cacheLimit: Int
    ) throws(Failure) {
        guard network.weights.embedding.image == nil, network.weights.architecture.heads[.causalLM] != nil else {
            throw Failure(
                .notFound, "the checkpoint cannot generate: it has no head causal_lm, which scores the next token")
        }
        self.network = network
        layout = try CacheLayout(network.weights.blocks, type: cacheType)
        head = try network.weights.head(.causalLM)
        vocabularySize = head.outputs
        let known = [network.weights.embedding.maximumTokens, network.weights.architecture.textTokens]
        maximumTokens = known.compactMap { $0 }.min()
        pool = CachePagePool(limit: cacheLimit)
        context = ForwardContext(threads: threads, memoryLimit: memoryLimit)
    }

    /// A sequence without tokens, which is to have at most `plannedTokens` (0: no more than models treat as short).
    public func makeSequence(plannedTokens: Int = 0) -> CachedSequence {
        CachedSequence(layout, pool, plannedTokens: plannedTokens)
    }

    /// Runs the tokens of `parts` and writes the scores of those asked for, `[scored tokens, vocabulary]`, to `scores`.
    ///
    /// When it throws, all sequences are as they were.
    ///
    /// - Parameters:
    ///   - other: a network of the same weights; what it remembers goes into the same sequences (a draft).
    ///   - progress: hears of layers; throws to stop.
    public func step(
        _ parts: [Part], by other: Network? = nil, into scores: UnsafeMutablePointer<Float>,
        progress: ProgressHandler? = nil
    ) throws(Failure) {
        guard isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
            throw Failure(.invalidArgument, "the decoder is in use by another thread, or by the callback's own call")
        }
        defer { isBusy.store(false, ordering: .releasing) }
        guard !parts.isEmpty else { return }
        try check(parts)
        let network = other ?? network
        guard network.weights === self.network.weights else {
            throw Failure(.invalidArgument, "a draft must be a submodel of the same weights")
        }
        for part in parts { try part.sequence.reserve(part.tokens.count) }
        let tokens = parts.flatMap(\.tokens)
        try tokens.withUnsafeBufferPointer { tokens throws(Failure) in
            try run(tokens, parts, network, into: scores, progress)
        }
        for part in parts { part.sequence.append(part.tokens) }
    }

    private func run(
        _ tokens: UnsafeBufferPointer<Int32>, _ parts: [Part], _ network: Network,
        into scores: UnsafeMutablePointer<Float>, _ progress: ProgressHandler?
    ) throws(Failure) {
        var offsets = [0]
        for part in parts { offsets.append(offsets[offsets.count - 1] + part.tokens.count) }
        let input = EmbeddingInput.tokens(ids: tokens, types: UnsafeBufferPointer(start: nil, count: 0))
        context.begin(input, offsets: offsets, cached: parts.map(\.sequence))
        defer { context.end() }
        let scored = parts.reduce(0) { $0 + $1.scored }
        try context.workspace.reserve(floats: network.stepFloats(rows: tokens.count, scored: scored, head))

        var stream = try context.workspace.take(tokens.count, network.streamSize)
        try network.weights.embedding.apply(input, into: stream, context)
        try parts.flatMap { $0.tokens.suffix($0.scored) }.withUnsafeBufferPointer { ids throws(Failure) in
            let last = KeptRows.last(parts.map(\.scored), ids: ids)
            let lastKeeping = network.lastKeepingBlock
            for (index, block) in network.blocks.enumerated() {
                try progress?("decode", index, network.blocks.count)
                context.layer = network.kept.layers[index]
                if index == lastKeeping, scored < tokens.count {
                    stream = try block.run(stream, only: last, context)
                    guard scored > 0 else { return }
                } else {
                    stream = try block.run(stream, context) { rows throws(Failure) in
                        for sublayer in block.sublayers { try sublayer.apply(rows, context) }
                        return rows
                    }
                }
            }
            let states = try network.readOut(stream, context)
            network.weights.finalNorm?.apply(states, into: states, threads: context.threads)
            try head.apply(states, into: Matrix(scores, rows: scored, columns: vocabularySize), context)
        }
    }

    private func check(_ parts: [Part]) throws(Failure) {
        var seen: Set<ObjectIdentifier> = []
        for (index, part) in parts.enumerated() {
            guard seen.insert(ObjectIdentifier(part.sequence)).inserted else {
                throw Failure(.invalidArgument, "sequence \(index) takes part twice in one step")
            }
            guard part.sequence.layout == layout else {
                throw Failure(.invalidArgument, "sequence \(index) is not one of this session")
            }
            guard !part.tokens.isEmpty else { throw Failure(.invalidArgument, "sequence \(index) has no tokens") }
            guard (0...part.tokens.count).contains(part.scored) else {
                throw Failure(
                    .invalidArgument,
                    "sequence \(index): \(part.scored) of \(part.tokens.count) tokens cannot be scored")
            }
            let total = try part.sequence.tokens.added(to: part.tokens.count, "tokens of sequence \(index)")
            if total > maximumTokens ?? Int(Int32.max) {
                throw Failure(
                    .invalidArgument,
                    "sequence \(index) would have \(total) tokens, the model's context is \(maximumTokens ?? Int(Int32.max))"
                )
            }
            let vocabulary = network.weights.embedding.vocabularySize
            for (position, token) in part.tokens.enumerated() where token < 0 || Int(token) >= vocabulary {
                throw Failure(
                    .invalidArgument,
                    "token id \(token) at position \(part.sequence.tokens + position) of sequence \(index) is not in 0 ..< \(vocabulary) (vocabulary)"
                )
            }
        }
    }
}

extension Network {
    /// The last block that keeps something in a cache; those after it take the keys of others. What it keeps is all that later
    /// tokens need of those whose scores nobody wants.
    fileprivate var lastKeepingBlock: Int? {
        blocks.lastIndex { !$0.sharings.contains { if case .takes = $0 { true } else { false } } }
    }

    /// Floats of workspace that a step of `rows` tokens takes, of which `scored` go through `head`.
    func stepFloats(rows: Int, scored: Int, _ head: Head) throws(Failure) -> Int {
        let extent = StreamExtent(rows: rows, sequences: 1)
        let block = blocks.reduce(0) { floats, block in
            max(floats, block.workspaceFloats(rows) { $0.workspaceFloats(extent, hidden: block.sublayerSize) })
        }
        let ending = max(stateFloats(rows: scored) + head.workspaceFloats(rows: scored), readoutFloats(scored))
        return Workspace.floats(rows, streamSize)
            + max(weights.embedding.workspaceFloats(rows: rows), block, ending)
    }
}
