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
        let text = if let file { try StandardInput.utf8(WholeFile.read(file), file) } else { try StandardInput.text() }
        let generator = try TextGenerator(model)
        if let context, let most = generator.maximumTokens, context > most {
            throw Failure(.invalidArgument, "--context \(context): the model's is \(most)")
        }
        let size = min(context ?? 512, generator.maximumTokens ?? .max)
        let tokens = try model.tokenize(prompt: text)
        guard tokens.count > 1 else { throw Failure(.invalidArgument, "the text has no more than one token") }
        let pieces = stride(from: 0, to: tokens.count, by: size).map {
            Array(tokens[$0..<min($0 + size, tokens.count)])
        }
        let begin = Clock.seconds
        let scores = try generator.logProbabilities(pieces, progress: bar.report)
        let seconds = Clock.seconds - begin
        bar.clear()
        let measure = Perplexity(scores, tokens: tokens.count, bytes: text.utf8.count)
        if json { return try StandardOutput.write(measure.json(pieces: pieces.count, seconds: seconds)) }
        let rate = (Double(measure.count) / seconds).short
        try StandardOutput.write(
            "perplexity \(measure.perplexity.short), \(measure.bitsPerByte.short) bits per byte, over \(measure.count) "
                + "tokens in pieces of \(size) (\(rate) tokens/s)\n")
    }
}

/// How well a text was predicted.
private struct Perplexity {
    /// Tokens that were predicted.
    let count: Int
    private let tokens: Int
    private let bytes: Int
    private let logLikelihood: Double

    init(_ scores: [[Double]], tokens: Int, bytes: Int) {
        count = scores.reduce(0) { $0 + $1.count }
        logLikelihood = scores.reduce(0) { $0 + $1.reduce(0, +) }
        self.tokens = tokens
        self.bytes = bytes
    }

    /// `exp(mean of -log p)`
    var perplexity: Double { Glibc.exp(-logLikelihood / Double(count)) }

    /// Of the bytes that the predicted tokens stand for: the first one of each piece is not predicted.
    var bitsPerByte: Double {
        -logLikelihood / Glibc.log(2.0) / (Double(bytes) * Double(count) / Double(tokens))
    }

    func json(pieces: Int, seconds: Double) -> JSON {
        var document = JSONObject()
        document["tokens"] = .integer(tokens)
        document["predicted_tokens"] = .integer(count)
        document["pieces"] = .integer(pieces)
        document["bytes"] = .integer(bytes)
        document["log_likelihood"] = .number(logLikelihood)
        document["perplexity"] = .number(perplexity)
        document["bits_per_byte"] = .number(bitsPerByte)
        document["seconds"] = .number(seconds)
        return .object(document)
    }
}
