public import NestlingBasics
public import NestlingBlocks
public import NestlingGeneration
public import NestlingModels
import Synchronization
import NestlingTokenizers

/// Generates texts with one model, any number of them at once. One thread at a time; a second one is refused.
///
///     let generator = try TextGenerator(model)
///     _ = try generator.add("Once upon a time", GenerationOptions()) { piece in
///         print(piece.text, terminator: "")
///         return true
///     }
///     while generator.requests > 0 { try generator.step() }
public final class TextGenerator: @unchecked Sendable {
    /// How texts are generated.
    public struct Options: Sendable {
        /// In what keys and values are kept; `nil`: float32 for a model of float32 weights, else bfloat16.
        public var cacheType: CacheType?
        /// Bytes of keys and values of all texts; `nil`: no limit. Who finds no room waits.
        public var cacheLimit: Int?
        /// Bytes of activations; `nil`: no limit.
        public var memoryLimit: Int?
        /// Threads; `nil`: ``Engine/threadCount``.
        public var threadCount: Int?
        /// See ``Generator/Options``.
        public var steps = Generator.Options()

        /// The defaults.
        public init() {}
    }

    /// Hears a piece; `false`: nothing more is wanted of this text.
    public typealias Handler = (GeneratedPiece) -> Bool

    /// The model.
    public let model: Model
    private let generator: Generator
    private let settings: GenerationSettings
    private var texts: [Int: RunningText] = [:]
    private let isBusy = Atomic<Bool>(false)

    private final class RunningText {
        var stream: DecodeStream?
        var stop: StopStrings
        let handler: Handler
        /// Tokens that end the text are no part of it.
        let stopTokens: Set<Int32>

        init(_ stream: DecodeStream?, _ stop: StopStrings, _ stopTokens: Set<Int32>, _ handler: @escaping Handler) {
            self.stream = stream
            self.stop = stop
            self.stopTokens = stopTokens
            self.handler = handler
        }
    }

    /// - Throws: `.notFound` or `.unsupported` if the model cannot generate.
    public init(_ model: Model, options: Options = Options()) throws(Failure) {
        self.model = model
        settings = try GenerationSettings(model.network)
        let decoder = try Decoder(
            model.network, cacheType: options.cacheType ?? (model.dtype == .float32 ? .float32 : .bfloat16),
            threads: options.threadCount ?? 0, memoryLimit: options.memoryLimit ?? 0,
            cacheLimit: options.cacheLimit ?? 0)
        generator = Generator(decoder, options: options.steps)
    }

    /// Texts that have not ended.
    public var requests: Int { generator.requests }
    /// What has been run.
    public var statistics: Generator.Statistics { generator.statistics }
    /// Bytes of keys and values in use.
    public var cacheBytes: Int { generator.decoder.pool.usedBytes }
    /// The most tokens of a text, prompt included; `nil`: any number.
    public var maximumTokens: Int? { generator.decoder.maximumTokens }

    /// Adds a text that begins with `prompt`, by the model's tokenizer with its special tokens.
    public func add(
        _ prompt: String, _ options: GenerationOptions, handler: @escaping Handler
    ) throws(Failure) -> Int {
        try add(try model.tokenize(prompt: prompt), options, handler: handler)
    }

    /// Adds a text that begins with the tokens `prompt`. `handler` hears its pieces during steps; the number tells it from others.
    ///
    /// - Parameter prefix: a sequence of this generator whose leading tokens may be those of the prompt.
    public func add(
        _ prompt: [Int32], _ options: GenerationOptions, prefix: CachedSequence? = nil,
        constraint: Constraint? = nil, handler: @escaping Handler
    ) throws(Failure) -> Int {
        try exclusively { () throws(Failure) in
            let request = try request(prompt, options, prefix, constraint)
            if !options.stopStrings.isEmpty {
                _ = try model.requireTokenizer()
                guard !options.stopStrings.contains("") else {
                    throw Failure(.invalidArgument, "a stop string is empty")
                }
            }
            let id = try generator.add(request)
            texts[id] = RunningText(
                model.tokenizer.map { DecodeStream($0) }, StopStrings(options.stopStrings), request.stopTokens, handler)
            return id
        }
    }

    /// Ends a text; false if it has ended already. Its handler hears nothing more.
    @discardableResult public func cancel(_ id: Int) throws(Failure) -> Bool {
        try exclusively { () throws(Failure) in
            texts[id] = nil
            return generator.cancel(id)
        }
    }

    /// What is remembered of a text that has not ended, to be the prefix of others; `nil` if it has ended, or waits.
    public func sequence(of id: Int) throws(Failure) -> CachedSequence? {
        try exclusively { () throws(Failure) in generator.sequence(of: id) }
    }

    /// A sequence that ``CachedSequence/save(to:)`` wrote.
    public func restore(_ memory: UnsafeRawBufferPointer) throws(Failure) -> CachedSequence {
        try CachedSequence(restoring: memory, generator.decoder.layout, generator.decoder.pool)
    }

    /// Runs one step of all texts.
    ///
    /// - Parameter progress: hears of layers; throws to stop, after which the step can be tried again.
    public func step(progress: ProgressHandler? = nil) throws(Failure) {
        try exclusively { () throws(Failure) in
            for (id, event) in try generator.step(progress: progress) { deliver(event, to: id) }
        }
    }

    /// The natural logarithm of the probability of every token but the first of each sequence, given those before it.
    public func logProbabilities(
        _ sequences: [[Int32]], progress: ProgressHandler? = nil
    ) throws(Failure) -> [[Double]] {
        try exclusively { () throws(Failure) in
            try Scorer.logProbabilities(sequences, by: generator.decoder, progress: progress)
        }
    }

    private func request(
        _ prompt: [Int32], _ options: GenerationOptions, _ prefix: CachedSequence?, _ constraint: Constraint?
    ) throws(Failure) -> GenerationRequest {
        var sampling = settings.sampling
        if let temperature = options.temperature { sampling.temperature = temperature }
        if let topK = options.topK { sampling.topK = topK }
        if let topP = options.topP { sampling.topP = topP }
        if let minP = options.minP { sampling.minP = minP }
        if let penalty = options.repetitionPenalty { sampling.repetitionPenalty = penalty }
        sampling.presencePenalty = options.presencePenalty
        sampling.frequencyPenalty = options.frequencyPenalty
        sampling.logitBias = options.logitBias
        sampling.seed = options.seed
        // Without a number, the context ends the text.
        var request = GenerationRequest(
            prompt: prompt, maximumNewTokens: options.maximumNewTokens ?? Int(Int32.max))
        request.minimumNewTokens = options.minimumNewTokens
        request.sampling = sampling
        request.stopTokens = options.stopTokens.union(options.ignoresEndOfText ? [] : settings.endTokens)
        request.leadingLogProbabilities = options.leadingLogProbabilities
        request.prefix = prefix
        request.constraint = constraint
        request.draft =
            switch options.draft {
            case .none: .none
            case .submodel(let model, let tokens): .submodel(model.network, tokens: tokens)
            case .promptLookup(let match, let tokens): .promptLookup(match: match, tokens: tokens)
            }
        return request
    }

    /// Turns an event into a piece of text.
    private func deliver(_ event: GenerationEvent, to id: Int) {
        // Events that come after a stop string, or after the caller had enough.
        guard let running = texts[id] else { return }
        var piece: GeneratedPiece
        switch event {
        case .token(let token):
            var text = ""
            var finish: FinishReason?
            if !running.stopTokens.contains(token.token) {
                do throws(Failure) {
                    text = try running.stream?.append(token.token) ?? ""
                } catch {
                    finish = .failed(error)
                }
            }
            let (certain, isEnd) = running.stop.append(text)
            if isEnd { finish = .stopString }
            piece = GeneratedPiece(token: token, text: certain, finish: finish)
        case .finished(let reason):
            let rest = (try? running.stream?.finish()) ?? ""
            let (certain, isEnd) = running.stop.append(rest)
            piece = GeneratedPiece(
                token: nil, text: isEnd ? certain : certain + running.stop.finish(),
                finish: isEnd ? .stopString : reason)
        }
        let goesOn = running.handler(piece)
        if piece.finish != nil || !goesOn {
            texts[id] = nil
            generator.cancel(id)
        }
    }

    private func exclusively<Result>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        guard isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
            throw Failure(.invalidArgument, "the generator is in use by another thread, or by the callback's own call")
        }
        defer { isBusy.store(false, ordering: .releasing) }
        return try body()
    }
}

extension TextGenerator {
    /// Counts since the generator was made, as `nestling_generator_describe` gives them.
    public var description: JSON {
        let counts = statistics
        return [
            "prompt_tokens": .integer(counts.promptTokens), "shared_tokens": .integer(counts.sharedTokens),
            "generated_tokens": .integer(counts.generatedTokens), "steps": .integer(counts.steps),
            "draft_steps": .integer(counts.draftSteps), "guessed_tokens": .integer(counts.guessedTokens),
            "accepted_tokens": .integer(counts.acceptedTokens), "restarts": .integer(counts.restarts),
            "requests": .integer(requests), "cache_bytes": .integer(cacheBytes),
            "maximum_tokens": maximumTokens.map { .integer($0) } ?? .null,
        ]
    }
}

extension Model {
    /// Token ids of a prompt with special tokens, however long.
    public func tokenize(prompt: UnsafeBufferPointer<UInt8>) throws(Failure) -> [Int32] {
        try requireTokenizer().encode(prompt, maximumTokens: nil, keepsOverflow: false).ids
    }

    /// As ``tokenize(prompt:)``, of a string.
    public func tokenize(prompt: String) throws(Failure) -> [Int32] {
        try Array(prompt.utf8).withUnsafeBufferPointer { bytes -> Result<[Int32], Failure> in
            do throws(Failure) { return .success(try tokenize(prompt: bytes)) } catch { return .failure(error) }
        }.get()
    }
}
