import NestlingBasics
import NestlingTensors

/// A channel that runs beside a mixer instead of after it, so that both read the stream as it was before either (GPT-J; GPT-NeoX,
/// Black et al., arXiv 2204.06745; LAuReL in Gemma 3n): `x + outputNorm(mixer(preNorm(x))) + channel(norm(x))`.
struct ParallelChannel: Sendable {
    /// Normalizes the channel's input; `nil`: it reads what the mixer reads.
    let norm: (any Norm)?
    /// MLP...
    let channel: any Channel

    /// Reads `"channel"` and `"channel_norm"?` of a sublayer that has a mixer too.
    init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        norm = try fields.norm("channel_norm", weights)
        channel = try Registry.build(Registry.channels, fields.object("channel"), weights, kind: "channel")
    }

    private init(norm: (any Norm)?, channel: any Channel) {
        self.norm = norm
        self.channel = channel
    }

    /// The same with the leading neurons of the channel.
    func keeping(width: Int) -> ParallelChannel { ParallelChannel(norm: norm, channel: channel.keeping(width: width)) }

    /// Learned numbers in use.
    var parameters: Int { channel.parameters + (norm?.parameters ?? 0) }

    /// Floats of workspace that it takes for `rows` rows of `hidden` elements, beside those of the mixer.
    func workspaceFloats(rows: Int, hidden: Int) -> Int {
        channel.workspaceFloats(rows: rows) + (norm == nil ? 0 : Workspace.spreadFloats(rows, hidden))
    }

    /// What the channel will read, made before the mixer changes `stream`; `mixed` is what the mixer reads.
    func input(_ stream: Matrix, or mixed: Matrix, _ context: ForwardContext) throws(Failure) -> Matrix {
        guard let norm else { return mixed }
        let input = try context.workspace.takeSpread(stream.rows, stream.columns)
        norm.apply(stream, into: input, threads: context.threads)
        return input
    }
}
