import NestlingBasics

extension GGUFModel {
    /// The tensors of the file by the names, in the order of rows, and with the numbers that transformers gives them. What is not
    /// known keeps its name.
    func tensors() throws(Failure) -> [Tensor] {
        let headSize = try headSize()
        var result: [Tensor] = []
        var names: Set<UTF8Key> = []
        for tensor in contents.tensors where tensor.name != Self.ropeFactors {
            for part in try parts(of: tensor, headSize: headSize) {
                guard names.insert(UTF8Key(part.name)).inserted else {
                    throw Failure(
                        .corrupt,
                        "\(metadata.name): tensor \(tensor.name.quoted) and another one are both \(part.name.quoted)")
                }
                result.append(part)
            }
        }
        return result
    }

    /// What transformers has for `tensor`: one tensor, or the matrices of a stack.
    private func parts(of tensor: Tensor, headSize: Int) throws(Failure) -> [Tensor] {
        if let projections = try projections(tensor) { return projections }
        let renamed = Tensor(
            name: name(of: tensor.name), type: tensor.type, shape: tensor.shape, elementCount: tensor.elementCount,
            range: tensor.range, file: tensor.file, rowOrder: try rowOrder(of: tensor, headSize: headSize))
        guard architecture.addsOneToNorms, renamed.name.hasSuffix("norm.weight") else { return [renamed] }
        return [try minusOne(renamed)]
    }

    /// The name that transformers gives to the tensor `name`. Source: tensor_mapping.py of gguf-py.
    private func name(of name: String) -> String {
        if let known = Self.outer[name] { return known }
        if architecture == .gemma3n, let known = Self.gemma3nOuter[name] { return known }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "blk", let layer = Int(parts[1]), String(layer) == parts[1] else {
            return name
        }
        if architecture == .gemma3n, parts[2...] == ["altup_correct_scale", "weight"] {
            return "model.layers.\(layer).altup.correct_output_scale"
        }
        guard let inner = inner(String(parts[2])) else { return name }
        return "model.layers.\(layer).\(inner).\(parts[3])"
    }

    private static let outer = [
        "token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
        "output.weight": "lm_head.weight",
    ]

    private func inner(_ name: String) -> String? {
        switch name {
        case "attn_norm": "input_layernorm"
        case "attn_q": "self_attn.q_proj"
        case "attn_k": "self_attn.k_proj"
        case "attn_v": "self_attn.v_proj"
        case "attn_output": "self_attn.o_proj"
        case "attn_q_norm": "self_attn.q_norm"
        case "attn_k_norm": "self_attn.k_norm"
        case "post_attention_norm": "post_attention_layernorm"
        case "ffn_norm": architecture.hasOutputNorms ? "pre_feedforward_layernorm" : "post_attention_layernorm"
        case "post_ffw_norm": "post_feedforward_layernorm"
        case "ffn_gate": "mlp.gate_proj"
        case "ffn_up": "mlp.up_proj"
        case "ffn_down": "mlp.down_proj"
        default: architecture == .gemma3n ? Self.gemma3nInner[name] : nil
        }
    }

    /// The queries and keys of Llama have rotary pairs side by side in the file, `(2j, 2j + 1)`, and half a head apart in
    /// transformers.
    private func rowOrder(of tensor: Tensor, headSize: Int) throws(Failure) -> RowOrder? {
        let parts = tensor.name.split(separator: ".")
        guard architecture == .llama, parts.count == 4, parts[0] == "blk", ["attn_q", "attn_k"].contains(parts[2])
        else { return nil }
        guard headSize > 0, headSize.isMultiple(of: 2), tensor.shape[0].isMultiple(of: headSize) else {
            throw Failure(
                .corrupt,
                "\(metadata.name): tensor \(tensor.name.quoted) has \(tensor.shape[0]) rows, no heads of \(headSize)")
        }
        return RowOrder(size: headSize)
    }

    /// The norms of Gemma multiply by 1 and the weight; the file holds the sums.
    private func minusOne(_ tensor: Tensor) throws(Failure) -> Tensor {
        guard tensor.type == .float32 else {
            throw Failure(
                .unsupported,
                "\(metadata.name): tensor \(tensor.name.quoted) is \(tensor.type.rawValue); norms of Gemma must be F32")
        }
        let file = try FileBytes(name: metadata.name, count: tensor.bytes.count) { target in
            for offset in stride(from: 0, to: tensor.bytes.count, by: 4) {
                let sum = tensor.bytes.loadUnaligned(fromByteOffset: offset, as: Float.self)
                target.storeBytes(of: sum - 1, toByteOffset: offset, as: Float.self)
            }
        }
        return try Tensor(tensor, as: .float32, in: file)
    }
}
