public import NestlingBasics

/// The one list of what exists: which part of the network each `"type"` of an architecture names.
///
/// A new variant is one file behind one protocol and one line here.
public enum Registry {
    /// Builds a part from its node of the architecture.
    public typealias Builder<Part> = @Sendable (JSONFields, any WeightSource) throws(Failure) -> Part

    /// Embeddings: what makes the first rows?
    public static let embeddings: [String: Builder<any Embedding>] = [
        "tokens": TokenEmbedding.init(_:_:),
        "patches": PatchEmbedding.init(_:_:),
        "streams": StreamEmbedding.init(_:_:),
    ]

    /// Norms: how is a row normalized?
    public static let norms: [String: Builder<any Norm>] = [
        "layer_norm": LayerNorm.init(_:_:),
        "rms_norm": RMSNorm.init(_:_:),
    ]

    /// Mixers: where do tokens meet?
    public static let mixers: [String: Builder<any Mixer>] = [
        "attention": Attention.init(_:_:)
    ]

    /// Features: what happens to queries and keys before they meet?
    public static let features: [String: Builder<any Feature>] = [
        "rope": RotaryEmbedding.init(_:_:),
        "head_norm": HeadNorm.init(_:_:),
    ]

    /// Supports: which pairs meet, with what bias?
    public static let supports: [String: Builder<any Support>] = [
        "causal": CausalSupport.init(_:_:),
        "window": WindowSupport.init(_:_:),
        "alibi": ALiBi.init(_:_:),
        "relative_bias": RelativeBias.init(_:_:),
        "window_bias": WindowBias.init(_:_:),
    ]

    /// Rules: how do scores weigh values?
    public static let rules: [String: Builder<any Rule>] = [
        "softmax": Softmax.init(_:_:)
    ]

    /// Channels: what happens to each token alone?
    public static let channels: [String: Builder<any Channel>] = [
        "mlp": MLP.init(_:_:),
        "glu": GatedMLP.init(_:_:),
        "laurel": LAuReL.init(_:_:),
    ]

    /// Wirings: how do sublayers, which see one stream, change several?
    public static let wirings: [String: Builder<any Wiring>] = [
        "altup": AltUp.init(_:_:)
    ]

    /// Readouts: what makes hidden states of several streams?
    public static let readouts: [String: Builder<any Readout>] = [
        "stream_mean": StreamMean.init(_:_:)
    ]

    /// Downsamplings: what makes fewer, wider rows between stages?
    public static let downsamplings: [String: Builder<any Downsampling>] = [
        "patch_merging": PatchMerging.init(_:_:)
    ]

    /// Builds the part that `fields` describe, by the name under `"type"`; `standard` is what they mean without one.
    public static func build<Part>(
        _ table: [String: Builder<Part>], _ fields: JSONFields, _ weights: any WeightSource, kind: String,
        default standard: String? = nil
    ) throws(Failure) -> Part {
        let type = try fields.string("type", default: standard)
        guard let builder = table[type] else {
            throw Failure(
                .unsupported,
                "\(fields.name): \(kind) \(type.quoted) is not known; known are \(table.keys.sorted().joined(separator: ", "))"
            )
        }
        return try builder(fields, weights)
    }
}
