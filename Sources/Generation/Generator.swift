public import NestlingBasics
public import NestlingBlocks
public import NestlingModels

/// Generates tokens for any number of requests at once: they join and leave between steps (continuous batching: Yu et al., Orca,
/// OSDI 2022). One thread at a time.
///
/// A step runs one token of every request that is generating, those guessed ahead, and as much of waiting prompts as
/// ``Options/sliceTokens`` allows. What a request generates depends on nothing else that runs.
public final class Generator {
    /// How requests are run.
    public struct Options: Sendable {
        /// At most so many tokens of prompts are run in one step: bounds the memory and how long others wait.
        public var sliceTokens = 512
        /// At most so many requests are run at once; others wait.
        public var maximumRequests = 64

        /// The defaults.
        public init() {}
    }

    /// Runs the steps.
    public let decoder: Decoder
    private let options: Options
    private var waiting: [ActiveRequest] = []
    private var active: [ActiveRequest] = []
    private var nextID = 1
    private var scores: [Float] = []
    /// Whether a request had to give its memory back, and none has ended since.
    private var isFull = false

    /// What has been run.
    public private(set) var statistics = Statistics()

    /// Counts since the generator was made.
    public struct Statistics: Sendable {
        /// Tokens of prompts that were run, and those that were known from another sequence.
        public var promptTokens = 0
        public var sharedTokens = 0
        /// Tokens generated.
        public var generatedTokens = 0
        /// Runs of the whole network, and of drafts.
        public var steps = 0
        public var draftSteps = 0
        /// Tokens guessed ahead, and those that were right.
        public var guessedTokens = 0
        public var acceptedTokens = 0
        /// Requests that had to give their memory to others, and were run again.
        public var restarts = 0
    }

    /// A generator of what `decoder` runs.
    public init(_ decoder: Decoder, options: Options = Options()) {
        self.decoder = decoder
        self.options = options
    }

    /// Requests that have not finished.
    public var requests: Int { waiting.count + active.count }

    /// Adds a request; steps will tell of it by the number that is returned.
    public func add(_ request: GenerationRequest) throws(Failure) -> Int {
        try check(request)
        let id = nextID
        nextID += 1
        let most = decoder.maximumTokens ?? Int(Int32.max)
        let planned = request.prompt.count + min(request.maximumNewTokens, Int(Int32.max))
        let sequence = decoder.makeSequence(plannedTokens: min(planned, most))
        waiting.append(ActiveRequest(id, request, sequence: sequence, network: decoder.network))
        return id
    }

    /// Ends a request; false if there is none of this number any more.
    @discardableResult public func cancel(_ id: Int) -> Bool {
        let before = requests
        isFull = false
        waiting.removeAll { $0.id == id }
        active.removeAll { $0.id == id }
        return requests < before
    }

    /// What is remembered of a request that has not finished, to be used as the prefix of others.
    public func sequence(of id: Int) -> CachedSequence? { active.first { $0.id == id }?.sequence.fork() }

    private func check(_ request: GenerationRequest) throws(Failure) {
        guard !request.prompt.isEmpty else {
            throw Failure(.invalidArgument, "the prompt is empty: generation needs at least one token")
        }
        guard request.maximumNewTokens >= 1 else {
            throw Failure(.invalidArgument, "max_new_tokens \(request.maximumNewTokens) is not 1 or more")
        }
        if let most = decoder.maximumTokens, request.prompt.count > most {
            throw Failure(
                .invalidArgument, "the prompt has \(request.prompt.count) tokens, the model's context is \(most)")
        }
        let vocabulary = decoder.network.weights.embedding.vocabularySize
        if let index = request.prompt.firstIndex(where: { $0 < 0 || Int($0) >= vocabulary }) {
            throw Failure(
                .invalidArgument,
                "token id \(request.prompt[index]) at position \(index) of the prompt is not in 0 ..< \(vocabulary) (vocabulary)"
            )
        }
        if let count = request.leadingLogProbabilities, !(0...decoder.vocabularySize).contains(count) {
            throw Failure(.invalidArgument, "\(count) log-probabilities of \(decoder.vocabularySize) tokens")
        }
        try request.sampling.check(vocabularySize: decoder.vocabularySize)
        switch request.draft {
        case .none: break
        case .submodel(let network, let tokens):
            guard network.weights === decoder.network.weights else {
                throw Failure(.invalidArgument, "a draft must be a submodel of the same weights")
            }
            try Generator.check(draftTokens: tokens)
        case .promptLookup(let match, let tokens):
            guard match >= 1 else { throw Failure(.invalidArgument, "prompt lookup of \(match) tokens") }
            try Generator.check(draftTokens: tokens)
        }
        if let prefix = request.prefix, prefix.layout != decoder.layout {
            throw Failure(.invalidArgument, "the prefix is not a sequence of this model and cache type")
        }
    }

    private static func check(draftTokens: Int) throws(Failure) {
        // What a sequence with windows can take back.
        guard (1...CachedSequence.spareTokens / 2).contains(draftTokens) else {
            throw Failure(
                .invalidArgument, "draft tokens \(draftTokens) are not in 1 ... \(CachedSequence.spareTokens / 2)")
        }
    }
}

// MARK: - Steps

extension Generator {
    /// Runs one step and gives what it brought, request by request.
    ///
    /// - Parameter progress: hears of layers; throws to stop, after which the step can be tried again.
    public func step(
        progress: ProgressHandler? = nil
    ) throws(Failure) -> [(request: Int, event: GenerationEvent)] {
        admit()
        guard !active.isEmpty else { return [] }
        try guess(progress)
        var events: [(request: Int, event: GenerationEvent)] = []
        let planned = plan(&events)
        guard !planned.isEmpty else { return events }
        let rows = planned.reduce(0) { $0 + $1.part.scored }
        let vocabulary = decoder.vocabularySize
        let count = try rows.multiplied(by: vocabulary, "scores")
        if scores.count < count { scores = [Float](repeating: 0, count: count) }
        do throws(Failure) {
            try withScores { scores throws(Failure) in
                guard let first = scores.baseAddress else { return }
                try decoder.step(planned.map(\.part), into: first, progress: progress)
            }
        } catch {
            // As if nothing had been guessed; the same step can be tried again.
            for item in planned { item.request.dropGuesses() }
            throw error
        }
        statistics.steps += 1
        try withScores { scores throws(Failure) in
            var row = 0
            for item in planned {
                statistics.promptTokens += item.prompt
                let range = row * vocabulary..<(row + item.part.scored) * vocabulary
                row += item.part.scored
                guard item.part.scored > 0 else { continue }
                take(UnsafeMutableBufferPointer(rebasing: scores[range]), item.request, &events)
            }
        }
        return events
    }

    private func withScores(
        _ body: (UnsafeMutableBufferPointer<Float>) throws(Failure) -> Void
    ) throws(Failure) {
        var failure: Failure?
        if scores.isEmpty { scores = [0] }
        scores.withUnsafeMutableBufferPointer { scores in
            do throws(Failure) { try body(scores) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private func take(
        _ scores: UnsafeMutableBufferPointer<Float>, _ request: ActiveRequest,
        _ events: inout [(request: Int, event: GenerationEvent)]
    ) {
        let before = request.draftCounts
        var reason: FinishReason?
        do throws(Failure) {
            let result = try request.take(
                scores, vocabulary: decoder.vocabularySize, context: decoder.maximumTokens ?? Int(Int32.max))
            statistics.generatedTokens += result.tokens.count
            for token in result.tokens { events.append((request.id, .token(token))) }
            reason = result.finished
        } catch {
            reason = .failed(error)
        }
        statistics.guessedTokens += request.draftCounts.guessed - before.guessed
        statistics.acceptedTokens += request.draftCounts.accepted - before.accepted
        if let reason { finish(request, reason, &events) }
    }

    private func finish(
        _ request: ActiveRequest, _ reason: FinishReason,
        _ events: inout [(request: Int, event: GenerationEvent)]
    ) {
        isFull = false
        active.removeAll { $0 === request }
        events.append((request.id, .finished(reason)))
    }

    /// Lets waiting requests in. One whose prompt begins as a known sequence begins with what is remembered of that.
    private func admit() {
        while active.count < options.maximumRequests, !waiting.isEmpty, active.isEmpty || !isFull {
            let request = waiting.removeFirst()
            var best: (sequence: CachedSequence, tokens: Int)?
            for sequence in [request.request.prefix].compactMap({ $0 }) + active.map(\.sequence)
            where decoder.layout.agree(sequence.plannedTokens, request.sequence.plannedTokens) {
                // The last token is run in any case: its scores are wanted.
                let shared = min(sequence.commonPrefix(request.history), request.history.count - 1)
                if shared > best?.tokens ?? 0 { best = (sequence, shared) }
            }
            if let best {
                let fork = best.sequence.fork(plannedTokens: request.sequence.plannedTokens)
                // A window may have let go of what would be needed.
                if (try? fork.truncate(to: best.tokens)) != nil {
                    request.sequence = fork
                    statistics.sharedTokens += best.tokens
                }
            }
            active.append(request)
        }
    }

    /// Lets drafts guess for all requests that have one, a token at a time.
    private func guess(_ progress: ProgressHandler?) throws(Failure) {
        let context = decoder.maximumTokens ?? Int(Int32.max)
        for request in active { request.beginGuessing(room: context - request.history.count) }
        while true {
            let guessing = active.filter { $0.wantedGuesses > 0 }
            guard let first = guessing.first, case .submodel(let network, _) = first.request.draft else { break }
            // Those with the same draft run together.
            let together = guessing.filter {
                if case .submodel(let other, _) = $0.request.draft { other === network } else { false }
            }
            let vocabulary = decoder.vocabularySize
            if scores.count < together.count * vocabulary {
                scores = [Float](repeating: 0, count: together.count * vocabulary)
            }
            do throws(Failure) {
                try withScores { scores throws(Failure) in
                    guard let base = scores.baseAddress else { return }
                    let parts = together.map { Decoder.Part($0.sequence, $0.draftInput, scored: 1) }
                    try decoder.step(parts, by: network, into: base, progress: progress)
                    for (row, request) in together.enumerated() {
                        request.guess(
                            UnsafeMutableBufferPointer(rebasing: scores[row * vocabulary..<(row + 1) * vocabulary]))
                    }
                }
                statistics.draftSteps += 1
            } catch {
                for request in active { try request.endGuessing() }
                // Without memory for guesses there may still be enough to go on.
                if error.kind == .outOfMemory { return }
                throw error
            }
        }
        for request in active where request.isGuessing { try request.endGuessing() }
    }

    private struct Planned {
        let request: ActiveRequest
        let part: Decoder.Part
        /// Of the tokens, those of the prompt.
        let prompt: Int
    }

    /// What the next step runs: who is generating first, then prompts in the order in which they came. Who finds no memory lets go
    /// of all of it and waits, the latest first; who is alone and finds none has failed.
    private func plan(_ events: inout [(request: Int, event: GenerationEvent)]) -> [Planned] {
        var budget = options.sliceTokens
        var planned: [Planned] = []
        for request in active.sorted(by: { ($0.isDecoding ? 0 : 1, $0.id) < ($1.isDecoding ? 0 : 1, $1.id) }) {
            guard active.contains(where: { $0 === request }) else { continue }
            let pending = request.pending
            var tokens = pending
            if !request.isDecoding {
                guard budget > 0 else { continue }
                tokens = pending.prefix(budget)
                budget -= tokens.count
            }
            let ends = tokens.count == pending.count
            tokens += request.guesses.map(\.token)
            while true {
                do throws(Failure) {
                    try request.sequence.reserve(tokens.count)
                    let part = Decoder.Part(
                        request.sequence, tokens, scored: ends ? 1 + request.guesses.count : 0)
                    planned.append(
                        Planned(request: request, part: part, prompt: request.isDecoding ? 0 : tokens.count))
                    break
                } catch {
                    let others = active.filter { other in
                        other !== request && !planned.contains { $0.request === other } && other.sequence.tokens > 0
                    }
                    if let last = others.max(by: { $0.id < $1.id }) {
                        restart(last)
                    } else if planned.isEmpty {
                        finish(request, .failed(error), &events)
                        break
                    } else {
                        restart(request)
                        break
                    }
                }
            }
        }
        return planned
    }

    /// Takes a request's memory; it waits, and is run again from its first token.
    private func restart(_ request: ActiveRequest) {
        request.dropGuesses()
        request.sequence = decoder.makeSequence(plannedTokens: request.sequence.plannedTokens)
        active.removeAll { $0 === request }
        waiting.insert(request, at: waiting.firstIndex { $0.id > request.id } ?? waiting.count)
        statistics.restarts += 1
        isFull = true
    }
}
