import ArgumentParser
import Glibc
import Nestling

/// `nestling perplexity`: how well a model predicts a text.
struct PerplexityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity",
        abstract: "Measure how well a model predicts a text.",
        discussion: """
            The text is a file, or standard input. It is cut into pieces of --context tokens, of which each token but the \
            first is predicted from those before it: perplexity is exp(mean of -log p), bits per byte the sum of \
            -log2 p over the bytes of the text.

            EXAMPLES
              nestling perplexity llama-3.2-1b wiki.txt
              nestling perplexity matlm text.txt --ffn 0.5 --dtype int8 --context 256
            """)

    @OptionGroup var checkpoint: CheckpointArgument

    @Argument(help: "The file with the text; none: standard input.", completion: .file())
    var file: String?

    @Option(help: "Tokens of a piece; by default 512, or the model's context if that is less.")
    var context: Int?

    @Flag(help: "Print a JSON object.")
    var json = false

    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "Submodel") var submodel: SubmodelOptions
    @OptionGroup(title: "Running") var running: RunOptions

    func validate() throws {
        if let context, context < 2 { throw ValidationError("--context \(context) is not at least 2") }
    }

    func run() throws(Failure) {
        let bar = running.begin()
        let whole = try Model(
            path: checkpoint.path, dtype: precision.dtype, tower: checkpoint.tower, progress: bar.report)
        let model = submodel.isEmpty ? whole : try whole.submodel(submodel.spec)
        let text = try file.map { path throws(Failure) in try StandardInput.utf8(WholeFile.read(path), path) } ?? StandardInput.text()
        let generator = try TextGenerator(model)
        if let context, let most = generator.maximumTokens, context > most {
            throw Failure(.invalidArgument, "--context \(context): the model's is \(most)")
        }
        let size = min(context ?? 512, generator.maximumTokens ?? .max)
        let tokens = try model.tokenize(prompt: text)
        guard tokens.count > 1 else { throw Failure(.invalidArgument, "the text has no more than one token") }
        let pieces = stride(from: 0, to: tokens.count, by: size).map { Array(tokens[$0..<min($0 + size, tokens.count)]) }
        let begin = Clock.seconds
        let scores = try generator.logProbabilities(pieces, progress: bar.report)
        let seconds = Clock.seconds - begin
        bar.clear()
        let values = scores.joined()
        let count = values.count
        let mean = -values.reduce(0, +) / Double(count)
        // What the first tokens of pieces stand for is not predicted, and not counted.
        let share = Double(count) / Double(tokens.count)
        let bits = mean * Double(count) / log(2) / (Double(text.utf8.count) * share)
        if json {
            return try StandardOutput.write([
                "tokens": .integer(tokens.count), "predicted_tokens": .integer(count), "pieces": .integer(pieces.count),
                "bytes": .integer(text.utf8.count), "log_likelihood": .number(-mean * Double(count)),
                "perplexity": .number(exp(mean)), "bits_per_byte": .number(bits), "seconds": .number(seconds),
            ])
        }
        try StandardOutput.write(
            "perplexity \(exp(mean).short), \(bits.short) bits per byte, over \(count) tokens in pieces of \(size) (\((Double(count) / seconds).short) tokens/s)\n"
        )
    }
}
