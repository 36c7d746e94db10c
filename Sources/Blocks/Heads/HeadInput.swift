import NestlingBasics
import NestlingTensors

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
    /// The first token of this id, or the one of the greatest id; the first token where there is none.
    case endOfText(Int32?)
    /// What a learned query gathers from all tokens.
    case attention(AttentionPooling)

    /// Reads `{"input": "tokens" | "first" | "second" | "last" | "mean" | "first_and_mean" | "end_of_text" | "attention",
    /// "skip"?, "token"?, "attention"?: {...}}`; means leave `skip` leading tokens out, `token` is the id that ends a text.
    init(_ fields: JSONFields, hiddenSize: Int, _ weights: any WeightSource) throws(Failure) {
        let skipped = try fields.integer("skip", in: 0...1_048_576, default: 0)
        switch try fields.string("input") {
        case "tokens": self = .tokens
        case "first": self = .token(0)
        case "second": self = .token(1)
        case "last": self = .last
        case "mean": self = .mean(skipping: skipped)
        case "first_and_mean": self = .firstAndMean(skipping: skipped)
        case "end_of_text":
            self = .endOfText(try fields.optionalInteger("token", in: 0...Int(Int32.max)).map(Int32.init))
        case "attention":
            self = .attention(
                try AttentionPooling(try fields.object("attention"), hiddenSize: hiddenSize, weights))
        default:
            throw Failure(
                .unsupported,
                "\(fields.name).input: is none of tokens, first, second, last, mean, first_and_mean, end_of_text, attention"
            )
        }
    }

    /// Elements of a row, of hidden states of `hiddenSize`.
    func width(_ hiddenSize: Int) -> Int {
        if case .firstAndMean = self { return 2 * hiddenSize }
        return hiddenSize
    }

    /// Learned numbers.
    var parameters: Int {
        if case .attention(let pooling) = self { return pooling.parameters }
        return 0
    }

    /// Floats of workspace that ``apply(_:into:_:)`` takes for `rows` tokens.
    func workspaceFloats(rows: Int) -> Int {
        if case .attention(let pooling) = self { return pooling.workspaceFloats(rows: rows) }
        return 0
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
    func apply(_ stream: Matrix, into output: Matrix, _ context: ForwardContext) throws(Failure) {
        switch self {
        case .tokens: break
        case .token, .endOfText:
            for sequence in 0..<context.sequences {
                let rows = stream.rows(context.offsets[sequence]..<context.offsets[sequence + 1])
                let map = context.map(of: sequence)
                guard let token = token(of: sequence, map, context) else { continue }
                Pooling.one(token, of: map, rows, or: 0, into: output.row(sequence))
            }
        case .attention(let pooling): try pooling.apply(stream, into: output, context)
        case .last: Pooling.last.apply(stream, into: output, context)
        case .mean(let skipped): Pooling.mean.apply(stream, into: output, skipping: skipped, context)
        case .firstAndMean(let skipped):
            var half = output
            half.columns = stream.columns
            try HeadInput.token(0).apply(stream, into: half, context)
            half.pointer += stream.columns
            try HeadInput.mean(skipping: skipped).apply(stream, into: half, context)
        }
    }

    /// The tokens of a sequence among which those are that are read, that which ends a text taken for the last one; `nil`: all.
    var tokensRead: SpecialTokens? {
        switch self {
        case .token(let index): SpecialTokens(first: index + 1, last: 0)
        case .last, .endOfText: SpecialTokens(first: 0, last: 1)
        case .tokens, .mean, .firstAndMean, .attention: nil
        }
    }

    /// The row of a sequence that alone is read; `nil`: several are.
    func row(of sequence: Int, _ context: ForwardContext) -> Int? {
        let map = context.map(of: sequence)
        if case .last = self { return Pooling.last.row(map) }
        return token(of: sequence, map, context).flatMap { Pooling.row(of: $0, map, or: 0) }
    }

    /// The token, of those that went by `map`, that ``token(_:)`` or ``endOfText(_:)`` means; `nil`: it is neither.
    private func token(of sequence: Int, _ map: TokenMap, _ context: ForwardContext) -> Int? {
        switch self {
        case .token(let index): return min(index, map.oldCount - 1)
        case .endOfText(let id):
            let tokens = context.originalOffsets[sequence]..<context.originalOffsets[sequence + 1]
            guard tokens.upperBound <= context.tokenIDs.count else { return 0 }
            let ids = context.tokenIDs[tokens]
            let end = id.map { id in ids.firstIndex(of: id) } ?? ids.indices.max { ids[$0] < ids[$1] }
            return min((end ?? tokens.lowerBound) - tokens.lowerBound, map.oldCount - 1)
        case .tokens, .last, .mean, .firstAndMean, .attention: return nil
        }
    }
}
