import NestlingBasics
import NestlingBlocks
import NestlingModels

/// A request on its way: its tokens, and how far they have been run.
final class ActiveRequest {
    let id: Int
    let request: GenerationRequest
    /// Prompt and generated tokens.
    private(set) var history: [Int32]
    /// What is remembered of the leading tokens of ``history``.
    var sequence: CachedSequence
    private var sampler: Sampler
    private var draftLength: DraftLength

    /// Guesses that the next step verifies, each with what it was drawn from.
    private(set) var guesses: [(token: Int32, from: Distribution)] = []
    /// How many guesses of the draft's are still wanted before that.
    private(set) var wantedGuesses = 0

    init(_ id: Int, _ request: GenerationRequest, sequence: CachedSequence, network: Network) {
        self.id = id
        self.request = request
        self.sequence = sequence
        history = request.prompt
        sampler = Sampler(request.sampling, prompt: request.prompt)
        draftLength =
            switch request.draft {
            case .none: DraftLength(cost: 0, most: 0)
            case .promptLookup(_, let tokens): DraftLength(cost: 0, most: tokens)
            case .submodel(let draft, let tokens):
                DraftLength(cost: Double(draft.parameters) / Double(max(1, network.parameters)), most: tokens)
            }
    }

    /// Tokens generated so far.
    var generated: ArraySlice<Int32> { history[request.prompt.count...] }
    /// Guesses that have been verified, and those that were right.
    var draftCounts: (guessed: Int, accepted: Int) { (draftLength.guessed, draftLength.accepted) }
    /// Tokens that have not been run.
    var pending: ArraySlice<Int32> { history[sequence.tokens...] }
    /// Whether the next step gives a token, whatever its budget.
    var isDecoding: Bool { pending.count == 1 && history.count > request.prompt.count }

    // MARK: - Guessing

    /// Decides how many tokens to guess, at most `room`, and guesses those that cost nothing.
    func beginGuessing(room: Int) {
        guesses = []
        wantedGuesses = 0
        guard isDecoding else { return }
        let count = draftLength.next(limit: min(room, request.maximumNewTokens - generated.count - 1))
        switch request.draft {
        case .none: break
        case .submodel: wantedGuesses = count
        case .promptLookup(let match, _):
            for token in PromptLookup.guess(history, match: match, count: count) {
                guesses.append((token, Distribution(certain: token)))
            }
        }
    }

    /// Whether guesses of a draft are in the sequence.
    var isGuessing: Bool { sequence.tokens >= history.count }

    /// The tokens that the draft runs to guess the next one.
    var draftInput: ArraySlice<Int32> { guesses.last.map { [$0.token] } ?? pending }

    /// Takes the draft's scores of the next token.
    func guess(_ scores: UnsafeMutableBufferPointer<Float>) {
        do throws(Failure) {
            let from = try distribution(scores, after: guesses.map(\.token))
            guesses.append((sampler.draw(from), from))
            wantedGuesses -= 1
        } catch {
            // A draft may fail; the model itself then says what is wrong.
            wantedGuesses = 0
        }
    }

    /// No more guesses; what the draft has left in the sequence is forgotten.
    func endGuessing() throws(Failure) {
        wantedGuesses = 0
        try sequence.truncate(to: min(sequence.tokens, history.count - 1))
    }

    /// Forgets the guesses.
    func dropGuesses() { guesses = [] }

    // MARK: - Choosing

    /// What may come next after the guessed tokens `guessed` by `scores`, which are changed.
    private func distribution(
        _ scores: UnsafeMutableBufferPointer<Float>, after guessed: [Int32]
    ) throws(Failure) -> Distribution {
        for token in guessed { sampler.append(token) }
        defer { for token in guessed { sampler.remove(token) } }
        if generated.count + guessed.count < request.minimumNewTokens {
            for token in request.stopTokens where scores.indices.contains(Int(token)) {
                scores[Int(token)] = -.infinity
            }
        }
        if let constraint = request.constraint {
            try constraint(guessed.isEmpty ? generated : ArraySlice(generated + guessed), scores)
        }
        return try sampler.distribution(scores)
    }

    /// Takes the scores of the last pending token and of the guesses after it, `vocabulary` each, which are changed. Gives the
    /// tokens that they bring, and why there will be no more.
    func take(
        _ scores: UnsafeMutableBufferPointer<Float>, vocabulary: Int, context: Int
    ) throws(Failure) -> (tokens: [GeneratedToken], finished: FinishReason?) {
        var tokens: [GeneratedToken] = []
        let verified = history.count
        let guesses = guesses
        self.guesses = []
        defer {
            // The guesses that were right have been run; what follows them has not.
            try? sequence.truncate(to: min(sequence.tokens, max(verified, history.count - 1)))
        }
        for row in 0...guesses.count {
            let scores = UnsafeMutableBufferPointer(rebasing: scores[row * vocabulary..<(row + 1) * vocabulary])
            let described = request.leadingLogProbabilities.map { describe(scores, leading: $0) }
            let target = try distribution(scores, after: [])
            var token: Int32
            var isRight = false
            if row < guesses.count {
                let guess = guesses[row]
                token = guess.token
                let drafted = guess.from.probability(token)
                isRight = drafted > 0 && sampler.uniform() * drafted < target.probability(token)
                if !isRight { token = sampler.draw(target.less(guess.from) ?? target) }
            } else {
                token = sampler.draw(target)
            }
            if row < guesses.count, !isRight || row == guesses.count - 1 {
                draftLength.record(guesses.count, right: isRight ? row + 1 : row)
            }
            history.append(token)
            sampler.append(token)
            tokens.append(
                GeneratedToken(
                    token: token, logProbability: described.map { $0.logProbability(token) },
                    leading: described?.leading ?? []))
            if request.stopTokens.contains(token) { return (tokens, .stopToken) }
            if generated.count >= request.maximumNewTokens { return (tokens, .length) }
            if history.count > context { return (tokens, .context) }
            if !isRight { break }
        }
        return (tokens, nil)
    }

    private struct Described {
        let leading: [TokenScore]
        let logProbability: (Int32) -> Double
    }

    private func describe(_ scores: UnsafeMutableBufferPointer<Float>, leading: Int) -> Described {
        let scores = UnsafeBufferPointer(scores)
        let sum = LogProbabilities.logarithmOfSum(scores)
        let raw = Array(scores)
        return Described(leading: LogProbabilities.leading(scores, leading, logarithmOfSum: sum)) {
            Double(raw[Int($0)]) - sum
        }
    }
}
