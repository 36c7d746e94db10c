import NestlingBasics

/// The names of a checkpoint's tensors, and nodes that refer to them.
///
/// Checkpoints of a bare model and of one with a head differ by a prefix ("bert."), and very old ones name the parts of a
/// LayerNorm gamma and beta: both are settled here, so that families need not care.
public struct TensorNames: Sendable {
    private let names: Set<String>
    /// Put before the names of the base model.
    public private(set) var prefix = ""

    /// All names of a checkpoint.
    public init(_ names: some Sequence<String>) { self.names = Set(names) }

    /// The same names, where those of the base model begin with `prefix` if the checkpoint has `probe` under it.
    func base(_ prefix: String, probe: String) -> TensorNames {
        var changed = self
        if !names.contains(probe), names.contains(prefix + probe) { changed.prefix = prefix }
        return changed
    }

    /// Whether the checkpoint has the tensor `name`, as it is written.
    func has(_ name: String) -> Bool { names.contains(name) }

    /// Linear layer `stem` of the base model, its outputs multiplied by the vector `scale`, if there is one.
    func linear(
        _ stem: String, _ outputs: Int, _ inputs: Int, bias: Bool = true, scale: String? = nil
    ) -> JSON {
        LinearNode(
            weight: "\(prefix)\(stem).weight", bias: bias ? "\(prefix)\(stem).bias" : nil, rows: outputs,
            columns: inputs, scale: scale.map { prefix + $0 }
        ).json
    }

    /// Part `index` of `parts` equal parts, along the outputs, of the fused linear layer `stem` of the base model.
    func fused(_ stem: String, part index: Int, of parts: Int, _ outputs: Int, _ inputs: Int, bias: Bool) -> JSON {
        LinearNode(
            weight: "\(prefix)\(stem).weight", bias: bias ? "\(prefix)\(stem).bias" : nil, rows: parts * outputs,
            columns: inputs, firstRow: index * outputs, outputs: outputs
        ).json
    }

    /// `outputs` rows from `first` on of the fused linear layer `stem` of the base model, which has `rows`; or those of runs of
    /// rows, which begin so many rows apart.
    func rows(
        _ stem: String, _ rows: Int, _ columns: Int, from first: Int, _ outputs: Int, bias: Bool,
        isTransposed: Bool = false, runs: (run: Int, stride: Int)? = nil
    ) -> JSON {
        LinearNode(
            weight: "\(prefix)\(stem).weight", bias: bias ? "\(prefix)\(stem).bias" : nil, rows: rows,
            columns: columns, firstRow: first, outputs: outputs, run: runs?.run, stride: runs?.stride,
            isTransposed: isTransposed
        ).json
    }

    /// LayerNorm `stem` of the base model.
    func layerNorm(_ stem: String, _ size: Int, _ epsilon: Double, bias: Bool = true) -> JSON {
        headLayerNorm(prefix + stem, size, epsilon, bias: bias)
    }

    /// RMSNorm `stem` of the base model; `offset` is added to its weight.
    func rmsNorm(_ stem: String, _ size: Int, _ epsilon: Double, offset: Double = 0) -> JSON {
        var node = JSONObject()
        node["type"] = "rms_norm"
        node["size"] = .integer(size)
        node["epsilon"] = .number(epsilon)
        node["weight"] = .string("\(prefix)\(stem).weight")
        if offset != 0 { node["offset"] = .number(offset) }
        return .object(node)
    }

    /// Table `name` of the base model.
    func table(_ name: String, _ rows: Int, _ columns: Int) -> JSON {
        ["weight": .string(prefix + name), "shape": [.integer(rows), .integer(columns)]]
    }

    /// Linear layer `stem` outside of the base model.
    func headLinear(_ stem: String, _ outputs: Int, _ inputs: Int, bias: Bool = true) -> JSON {
        LinearNode(weight: "\(stem).weight", bias: bias ? "\(stem).bias" : nil, rows: outputs, columns: inputs).json
    }

    /// LayerNorm `stem` outside of the base model.
    func headLayerNorm(_ stem: String, _ size: Int, _ epsilon: Double, bias: Bool = true) -> JSON {
        let isOld = !has("\(stem).weight") && has("\(stem).gamma")
        var node: JSONObject = JSONObject()
        node["type"] = "layer_norm"
        node["size"] = .integer(size)
        node["epsilon"] = .number(epsilon)
        node["weight"] = .string("\(stem).\(isOld ? "gamma" : "weight")")
        if bias { node["bias"] = .string("\(stem).\(isOld ? "beta" : "bias")") }
        return .object(node)
    }

    /// The last layer of a language model: `decoder` if the checkpoint stores it, else the token table `tied`, which it
    /// shares; the bias is whichever of `biases` is there.
    func decoder(
        _ decoder: String, tied: String, _ vocabulary: Int, _ width: Int, biases: [String]
    ) -> JSON {
        LinearNode(
            weight: has("\(decoder).weight") ? "\(decoder).weight" : prefix + tied,
            bias: biases.first(where: has) ?? biases.last, rows: vocabulary, columns: width
        ).json
    }
}

/// Nodes that the encoder families have in common.
enum Nodes {
    /// A head over `input` rows.
    static func head(_ input: String, _ steps: [JSON]) -> JSON { ["input": .string(input), "steps": .array(steps)] }

    /// A step of a head.
    static func step(_ linear: JSON, _ activation: String = "identity") -> JSON {
        ["linear": linear, "activation": .string(activation)]
    }

    /// A norm as a step of a head.
    static func step(norm: JSON) -> JSON { ["norm": norm] }

    /// A block of two sublayers, each followed by a norm, as in the original Transformer.
    static func postNormBlock(attention: JSON, norm: JSON, channel: JSON, channelNorm: JSON) -> JSON {
        ["sublayers": [["mixer": attention, "post_norm": norm], ["channel": channel, "post_norm": channelNorm]]]
    }

    /// A block of two sublayers, each after a norm.
    static func preNormBlock(norm: JSON, attention: JSON, channelNorm: JSON, channel: JSON) -> JSON {
        ["sublayers": [["pre_norm": norm, "mixer": attention], ["pre_norm": channelNorm, "channel": channel]]]
    }

    /// Softmax attention of `heads` heads over `hidden` elements.
    static func attention(
        hidden: Int, heads: Int, keyHeads: Int? = nil, headSize: Int? = nil, scale: Double? = nil, query: JSON,
        key: JSON?, value: JSON?, gives: String? = nil, takes: String? = nil, output: JSON, supports: [JSON] = [],
        features: [JSON] = [], softcap: Double? = nil
    ) -> JSON {
        var node = JSONObject()
        node["type"] = "attention"
        node["hidden_size"] = .integer(hidden)
        node["heads"] = .integer(heads)
        if let keyHeads { node["key_heads"] = .integer(keyHeads) }
        node["head_size"] = .integer(headSize ?? hidden / heads)
        if let scale { node["scale"] = .number(scale) }
        node["query"] = query
        if let key { node["key"] = key }
        if let value { node["value"] = value }
        if let gives { node["gives_keys"] = .string(gives) }
        if let takes { node["takes_keys"] = .string(takes) }
        node["output"] = output
        if !features.isEmpty { node["features"] = .array(features) }
        if !supports.isEmpty { node["supports"] = .array(supports) }
        if let softcap { node["rule"] = ["type": "softmax", "softcap": .number(softcap)] }
        return .object(node)
    }

    /// Rotary positions over all of a head, element `j` paired with `j + size / 2`.
    static func rope(theta: Double, size: Int) -> JSON {
        ["type": "rope", "theta": .number(theta), "size": .integer(size)]
    }

    /// A plain MLP.
    static func mlp(hidden: Int, width: Int, activation: String, up: JSON, down: JSON) -> JSON {
        [
            "type": "mlp", "hidden_size": .integer(hidden), "width": .integer(width), "activation": .string(activation),
            "up": up, "down": down,
        ]
    }

    /// A gated MLP.
    static func glu(
        hidden: Int, width: Int, activation: String, gate: JSON, up: JSON, down: JSON, sparsity: Double? = nil
    ) -> JSON {
        var node = JSONObject()
        node["type"] = "glu"
        node["hidden_size"] = .integer(hidden)
        node["width"] = .integer(width)
        node["activation"] = .string(activation)
        node["gate"] = gate
        node["up"] = up
        node["down"] = down
        if let sparsity { node["sparsity"] = .number(sparsity) }
        return .object(node)
    }
}
