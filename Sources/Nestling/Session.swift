public import NestlingBasics
public import NestlingBlocks
public import NestlingModels
import NestlingTokenizers

/// The mutable state of running one model: workspace memory. One thread at a time; a second one is refused.
public final class Session: Sendable {
    /// The model.
    public let model: Model
    private let runner: Runner
    /// Threads that calls may use; `nil`: ``Engine/threadCount``.
    public let threadCount: Int?

    /// How a session works.
    public struct Options: Sendable {
        /// A batch is run in slices of at most this many tokens (whole sequences; a longer single sequence is a slice of
        /// its own). Bounds the memory, not the batch.
        public var sliceTokens = 4096
        /// Bytes that the workspace may take; `nil`: no limit.
        public var memoryLimit: Int?
        /// Threads that calls may use; `nil`: ``Engine/threadCount``.
        public var threadCount: Int?

        /// The defaults.
        public init() {}
    }

    /// A session of `model`. Memory is taken when the first run needs it.
    public init(_ model: Model, options: Options = Options()) {
        self.model = model
        threadCount = options.threadCount
        runner = Runner(
            model.network, sliceTokens: max(1, options.sliceTokens), threads: options.threadCount ?? 0,
            memoryLimit: options.memoryLimit ?? 0)
    }

    /// Bytes of workspace that a run needs whose longest slice has `tokens` tokens.
    public static func estimate(_ model: Model, tokens: Int) throws(Failure) -> Int {
        // A sequence for every 8 tokens: texts are rarely shorter, and vectors take little beside hidden states.
        let floats = try model.network.workspaceFloats(
            StreamExtent(rows: tokens, sequences: max(1, tokens / 8)), .vectors(VectorOptions()), reducer: .all)
        return try floats.multiplied(by: MemoryLayout<Float>.stride, "workspace")
    }

    /// A matrix of results, of which each sequence has some rows.
    public struct Rows: Sendable {
        /// Row after row.
        public let values: [Float]
        /// Sequence `s` has the rows `offsets[s] ..< offsets[s + 1]`.
        public let offsets: [Int]
        /// Elements of a row.
        public let columns: Int

        /// The elements of a sequence's rows.
        public subscript(sequence: Int) -> ArraySlice<Float> {
            values[offsets[sequence] * columns..<offsets[sequence + 1] * columns]
        }
    }

    /// One vector for each text, by the model's tokenizer.
    ///
    /// - Parameters:
    ///   - texts: cut to the model's ``Model/textTokens``.
    ///   - prompt: put before each text; `nil`: the checkpoint's default prompt, if it has one.
    ///   - reduction: how tokens are merged while the model runs; `nil`: not at all.
    ///   - progress: hears how many sequences are done; throws to stop.
    public func encode(
        _ texts: [String], prompt: Prompt = .standard, options: VectorOptions = VectorOptions(),
        reduction: (any Reducer)? = nil, progress: ProgressHandler? = nil
    ) throws(Failure) -> [[Float]] {
        let (batch, skipped) = try model.tokenize(texts.map(\.utf8), prompt: prompt, threadCount: threadCount)
        var options = options
        options.skippedTokens = skipped
        let rows = try run(batch, .vectors(options), reduction: reduction, progress: progress)
        return texts.indices.map { Array(rows[$0]) }
    }

    /// One vector for each sequence of token ids.
    public func encode(
        _ batch: TokenBatch, options: VectorOptions = VectorOptions(), reduction: (any Reducer)? = nil,
        progress: ProgressHandler? = nil
    ) throws(Failure) -> [[Float]] {
        let rows = try run(batch, .vectors(options), reduction: reduction, progress: progress)
        return (0..<batch.count).map { Array(rows[$0]) }
    }

    /// Hidden states of every token after `layer` blocks (`nil`: all of them, and the final norm; 0: the embedding).
    ///
    /// With `unmerged`, every original token has a row although tokens were merged.
    public func hiddenStates(
        _ batch: TokenBatch, layer: Int? = nil, unmerged: Bool = false, reduction: (any Reducer)? = nil,
        progress: ProgressHandler? = nil
    ) throws(Failure) -> Rows {
        try run(
            batch, .states(layer: layer ?? model.layers, unmerged: unmerged), reduction: reduction, progress: progress)
    }

    /// Scores of a head (`nil`: the one that the config names): rows of sequences or of tokens.
    public func logits(
        _ batch: TokenBatch, head: HeadKind? = nil, unmerged: Bool = false, reduction: (any Reducer)? = nil,
        progress: ProgressHandler? = nil
    ) throws(Failure) -> Rows {
        try run(batch, .scores(try model.head(head), unmerged: unmerged), reduction: reduction, progress: progress)
    }

    /// Where each original token of the last run went: its row, within its own sequence, after `layer` blocks (`nil`: the
    /// last that ran).
    public func tokenMap(layer: Int? = nil) throws(Failure) -> [Int32] { try runner.tokenMap(layer: layer) }

    private func run(
        _ batch: TokenBatch, _ request: Request, reduction: (any Reducer)?, progress: ProgressHandler?
    ) throws(Failure) -> Rows {
        try batch.withBatch { batch throws(Failure) in
            try run(batch, request, reduction: reduction, progress: progress)
        }
    }

    /// Runs a batch and keeps the result.
    func run(
        _ batch: Batch, _ request: Request, reduction: (any Reducer)?, progress: ProgressHandler?
    ) throws(Failure) -> Rows {
        let shape = try ResultShape(batch, request, reducer: reduction, model.network)
        let count = try shape.elementCount()
        var failure: Failure?
        let values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            do throws(Failure) {
                if let base = buffer.baseAddress {
                    try run(batch, request, shape: shape, reduction: reduction, into: base, progress: progress)
                }
                initialized = count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return Rows(values: values, offsets: shape.offsets, columns: shape.columns)
    }

    /// Runs a batch that the caller holds and writes `[rows, columns]` of its `shape` to `output`. For callers with memory
    /// of their own; making the shape has checked the batch.
    public func run(
        _ batch: Batch, _ request: Request, shape: ResultShape, reduction: (any Reducer)?,
        into output: UnsafeMutablePointer<Float>, progress: ProgressHandler?
    ) throws(Failure) {
        try runner.run(batch, request, shape: shape, reducer: reduction, into: output, progress: progress)
    }
}

extension Model {
    /// The head that a call means: `kind`, or the one that the config names, or the only one.
    public func head(_ kind: HeadKind?) throws(Failure) -> HeadKind {
        if let kind = kind ?? defaultHead ?? (headKinds.count == 1 ? headKinds[0] : nil) { return kind }
        throw Failure(.notFound, "the checkpoint names no head; it has \(headKinds.map(\.name))")
    }
}

extension Model {
    /// What `reduction` is expected to gain on a sequence of `tokens`, without running anything.
    public func estimate(_ reduction: any Reducer, tokens: Int) throws(Failure) -> ReductionEstimate {
        guard tokens >= 1, tokens <= maximumTokens ?? Int(Int32.max) else {
            throw Failure(.invalidArgument, "tokens \(tokens) is not in 1 ... \(maximumTokens ?? Int(Int32.max))")
        }
        return try ReductionEstimate(reduction, tokens: tokens, network)
    }
}
