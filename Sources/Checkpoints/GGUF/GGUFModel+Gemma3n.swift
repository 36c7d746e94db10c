import NestlingBasics
import Glibc

/// What only Gemma 3n has. Source: `Gemma3NModel` of convert_hf_to_gguf.py, and `llama_model_gemma3n` for what files leave out.
extension GGUFModel {
    /// Streams of a token.
    private func streamCount() throws(Failure) -> Int {
        try metadata.integer(key("altup.num_inputs"), in: 1...16, default: 4)
    }

    /// Adds the keys that Gemma 3 does not have. Sizes that the metadata leave out are those of tensors.
    func addGemma3n(to config: inout JSONObject) throws(Failure) {
        let streams = try streamCount()
        config["sliding_window"] = .integer(try requiredSize("attention.sliding_window"))
        config["altup_num_inputs"] = .integer(streams)
        config["altup_active_idx"] = .integer(
            try metadata.integer(key("altup.active_idx"), in: 0...streams - 1, default: 0))
        config["altup_correct_scale"] = true
        config["num_kv_shared_layers"] = .integer(
            try metadata.integer(
                key("attention.shared_kv_layers"), in: 0...4096, default: max(0, try requiredSize("block_count") - 20)))
        config["hidden_size_per_layer_input"] = .integer(try size("embedding_length_per_layer_input") ?? 256)
        if let table = tensor("per_layer_token_embd.weight") {
            config["vocab_size_per_layer_input"] = .integer(table.shape[0])
        }
        if let left = tensor("blk.0.laurel_l.weight") { config["laurel_rank"] = .integer(left.shape[0]) }
        if let shares = try sparsity() { config["activation_sparsity_pattern"] = .array(shares.map { .number($0) }) }
    }

    /// The share of the gates of each layer that become 0; `nil`: the file does not say.
    ///
    /// The file has where the standard normal distribution reaches the share, minus infinity for none. The converter calculates
    /// that in single precision, so that of shares above a half the nearest of single precision is mostly what it began with.
    private func sparsity() throws(Failure) -> [Double]? {
        let key = key("activation_sparsity_scale")
        guard metadata.contains(key) || contents.array(key) != nil else { return nil }
        guard let scales = metadata[key]?.array?.map(\.double) else {
            throw metadata.failure(key, "must be an array of numbers, one for each layer")
        }
        var shares: [Double] = []
        for (index, scale) in scales.enumerated() {
            let share = scale.map { Float(erfc(-$0 / 2.0.squareRoot()) / 2) }
            guard let share, share < 1 else {
                throw metadata.failure(
                    "\(key)[\(index)]", "must be a number that the normal distribution can exceed, or minus infinity")
            }
            shares.append(Double(share.description) ?? Double(share))
        }
        return shares
    }

    /// The widths of all FFNs, which Gemma 3n may list: MatFormer cuts it layer by layer.
    func widths() throws(Failure) -> JSON {
        let key = key("feed_forward_length")
        guard architecture == .gemma3n, metadata[key]?.array != nil else {
            return .integer(try requiredSize("feed_forward_length"))
        }
        return .array(try metadata.integers(key, in: 1...Int(Int32.max)).map { .integer($0) })
    }

    /// The matrices that make streams and that bring them together, which the file has one upon the other; `nil`: `tensor` is
    /// something else.
    func projections(_ tensor: Tensor) throws(Failure) -> [Tensor]? {
        guard architecture == .gemma3n, let stem = Self.stacks[tensor.name] else { return nil }
        // A stack of one may have lost that dimension.
        let shape = tensor.shape.count == 2 ? [1] + tensor.shape : tensor.shape
        let count = try streamCount() - 1
        guard shape.count == 3, shape[0] == count, count > 0,
            let byteCount = tensor.type.byteCount(of: tensor.elementCount / count),
            byteCount * count == tensor.bytes.count
        else {
            throw Failure(
                .corrupt,
                "\(metadata.name): tensor \(tensor.name.quoted) is \(describe(tensor.shape)); expected \(count) matrices, "
                    + "one less than \(key("altup.num_inputs"))")
        }
        return (0..<count).map { index in
            let first = tensor.range.lowerBound + index * byteCount
            return Tensor(
                name: "\(stem).\(index).weight", type: tensor.type, shape: Array(shape[1...]),
                elementCount: tensor.elementCount / count, range: first..<first + byteCount, file: tensor.file)
        }
    }

    private static let stacks = [
        "altup_proj.weight": "model.altup_projections", "altup_unembd_proj.weight": "model.altup_unembed_projections",
    ]

    /// The names of the tensors of no layer.
    static let gemma3nOuter = [
        "per_layer_token_embd.weight": "model.embed_tokens_per_layer.weight",
        "per_layer_model_proj.weight": "model.per_layer_model_projection.weight",
        "per_layer_proj_norm.weight": "model.per_layer_projection_norm.weight",
    ]

    /// The names of the modules of a layer.
    static let gemma3nInner = [
        "inp_gate": "per_layer_input_gate", "proj": "per_layer_projection", "post_norm": "post_per_layer_input_norm",
        "altup_router": "altup.modality_router", "altup_router_norm": "altup.router_norm",
        "altup_predict_coef": "altup.prediction_coefs", "altup_correct_coef": "altup.correction_coefs",
        "laurel_l": "laurel.linear_left", "laurel_r": "laurel.linear_right",
        "laurel_post_norm": "laurel.post_laurel_norm",
    ]
}
