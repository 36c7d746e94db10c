import ArgumentParser
import Nestling

/// `nestling generate`: what follows a text.
struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Generate what follows a text, as it comes.",
        discussion: """
            Writes the text to standard output, whole characters as soon as they are known, and at the end, on standard \
            error, how fast it went. Without a text, the prompt is standard input. Chat templates are not applied.

            With --draft-ffn, a submodel of the same weights guesses tokens ahead, which the whole model verifies at once \
            (speculative decoding): at temperature 0 the text is the same.

            EXAMPLES
              nestling generate llama-3.2-1b "Once upon a time" --max-new-tokens 100
              nestling generate matlm "Once upon a time" --temperature 0.8 --top-p 0.95 --seed 7
              nestling generate matlm "Once upon a time" --draft-ffn 0.25
              nestling generate llama-3.2-1b --dtype int8 < prompt.txt
            """)

    @OptionGroup var checkpoint: CheckpointArgument

    @Argument(help: "The text to go on from; none: standard input.")
    var prompt: String?

    @Flag(help: "Write the prompt before what follows it.")
    var echo = false

    @Flag(help: "Write one JSON document at the end: text, token ids, why it ended, counts and times.")
    var json = false

    @OptionGroup(title: "Choosing tokens") var sampling: SamplingArguments
    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "Submodel") var submodel: SubmodelOptions
    @OptionGroup(title: "Running") var running: RunOptions

    func run() throws(Failure) {
        let bar = running.begin()
        let whole = try Model(
            path: checkpoint.path, dtype: precision.dtype, tower: checkpoint.tower, progress: bar.report)
        bar.clear()
        let model = submodel.isEmpty ? whole : try whole.submodel(submodel.spec)
        let text = if let prompt { prompt } else { try StandardInput.text() }
        var options = TextGenerator.Options()
        options.cacheType = sampling.cacheDtype
        let generator = try TextGenerator(model, options: options)
        let run = GenerationRun()
        let showsText = !json
        if echo, showsText { try StandardOutput.write(text) }
        _ = try generator.add(text, try sampling.options(of: model)) { piece in
            run.hear(piece, shows: showsText)
        }
        let begin = Clock.seconds
        while generator.requests > 0 {
            try generator.step { (_, _, _) throws(Failure) in try Interruption.check() }
            if run.firstTokenSeconds == nil, !run.tokens.isEmpty { run.firstTokenSeconds = Clock.seconds - begin }
            if let failure = run.failure { throw failure }
        }
        run.seconds = Clock.seconds - begin
        if json { return try StandardOutput.write(run.json(generator, prompt: text)) }
        try StandardOutput.write("\n")
        try StandardOutput.flush()
        if !running.quiet { StandardError.write(run.summary(generator)) }
    }
}

/// A text that is being generated.
private final class GenerationRun {
    private(set) var text = ""
    private(set) var tokens: [Int32] = []
    private(set) var finish = ""
    /// What went wrong, with the text or with writing it.
    private(set) var failure: Failure?
    var firstTokenSeconds: Double?
    var seconds = 0.0

    func hear(_ piece: GeneratedPiece, shows: Bool) -> Bool {
        if let token = piece.token { tokens.append(token.token) }
        text += piece.text
        if shows, !piece.text.isEmpty {
            do throws(Failure) {
                try StandardOutput.write(piece.text)
                try StandardOutput.flush()
            } catch {
                failure = error
                return false
            }
        }
        switch piece.finish {
        case nil, .cancelled: break
        case .length: finish = "length"
        case .stopToken: finish = "stop_token"
        case .stopString: finish = "stop_string"
        case .context: finish = "context"
        case .failed(let failure): self.failure = failure
        }
        return true
    }

    /// Tokens of a second after the first, which waits for the prompt.
    private var rate: Double? {
        guard let firstTokenSeconds, tokens.count > 1, seconds > firstTokenSeconds else { return nil }
        return Double(tokens.count - 1) / (seconds - firstTokenSeconds)
    }

    func summary(_ generator: TextGenerator) -> String {
        let counts = generator.statistics
        var parts = ["\(counts.promptTokens) tokens of prompt"]
        if let firstTokenSeconds { parts[0] += " in \((firstTokenSeconds * 1e3).short) ms" }
        parts.append("\(tokens.count) generated" + (rate.map { " at \($0.short) tokens/s" } ?? ""))
        if counts.guessedTokens > 0 {
            let share = Double(counts.acceptedTokens) / Double(counts.guessedTokens)
            parts.append("\(counts.guessedTokens) guessed, \(share.asPercent) of them right")
        }
        return "\n" + parts.joined(separator: ", ") + "\n"
    }

    func json(_ generator: TextGenerator, prompt: String) -> JSON {
        let counts = generator.statistics
        return [
            "prompt": .string(prompt), "text": .string(text), "tokens": .array(tokens.map { .integer(Int($0)) }),
            "finish_reason": .string(finish), "prompt_tokens": .integer(counts.promptTokens),
            "guessed_tokens": .integer(counts.guessedTokens), "accepted_tokens": .integer(counts.acceptedTokens),
            "first_token_seconds": firstTokenSeconds.map { .number($0) } ?? .null, "seconds": .number(seconds),
            "tokens_per_second": rate.map { .number($0) } ?? .null,
        ]
    }
}
