import Basics
import Tensors

/// Which rows a head reads.
enum HeadInput: Sendable {
    /// Every token.
    case tokens
    /// The first token, the second... of each sequence; the last one of those that are shorter.
    case token(Int)
    /// The last token of each sequence.
    case last
    /// The mean of each sequence, less so many leading tokens.
    case mean(skipping: Int)
    /// The first token and, beside it, that mean.
    case firstAndMean(skipping: Int)

    /// Reads `{"input": "tokens" | "first" | "second" | "last" | "mean" | "first_and_mean", "skip"?}`; means leave `skip`
    /// leading tokens out.
    init(_ fields: JSONFields) throws(Failure) {
        let skipped = try fields.integer("skip", in: 0...1_048_576, default: 0)
        switch try fields.string("input") {
        case "tokens": self = .tokens
        case "first": self = .token(0)
        case "second": self = .token(1)
        case "last": self = .last
        case "mean": self = .mean(skipping: skipped)
        case "first_and_mean": self = .firstAndMean(skipping: skipped)
        default:
            throw Failure(
                .unsupported, "\(fields.name).input: is none of tokens, first, second, last, mean, first_and_mean")
        }
    }

    /// Elements of a row, of hidden states of `hiddenSize`.
    func width(_ hiddenSize: Int) -> Int {
        if case .firstAndMean = self { return 2 * hiddenSize }
        return hiddenSize
    }

    /// Whether every token is read.
    var isPerToken: Bool {
        if case .tokens = self { return true }
        return false
    }

    /// The pooling that reads the same rows, if there is one.
    var pooling: Pooling? {
        switch self {
        case .token(0): .cls
        case .last: .last
        case .mean(skipping: 0): .mean
        default: nil
        }
    }

    /// Writes a row for each sequence of `stream` to `output`.
    func apply(_ stream: Matrix, into output: Matrix, _ context: ForwardContext) {
        switch self {
        case .tokens: break
        case .token(let index):
            for sequence in 0..<context.sequences {
                let rows = stream.rows(context.offsets[sequence]..<context.offsets[sequence + 1])
                let map = context.maps.isEmpty ? TokenMap(identity: rows.rows) : context.maps[sequence]
                Pooling.one(
                    min(index, map.oldCount - 1), of: map, rows, or: 0, into: output.row(sequence))
            }
        case .last: Pooling.last.apply(stream, into: output, context)
        case .mean(let skipped): Pooling.mean.apply(stream, into: output, skipping: skipped, context)
        case .firstAndMean(let skipped):
            var half = output
            half.columns = stream.columns
            HeadInput.token(0).apply(stream, into: half, context)
            half.pointer += stream.columns
            HeadInput.mean(skipping: skipped).apply(stream, into: half, context)
        }
    }
}
