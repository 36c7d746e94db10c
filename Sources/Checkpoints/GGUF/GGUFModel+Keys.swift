import NestlingBasics

extension GGUFModel {
    /// Refuses what the metadata say of the network and nobody here reads: it would be computed as another one.
    ///
    /// All keys of the architecture are read, do not matter, or are refused by name. Those of other architectures, `general.` (but
    /// the type) and names of other programs describe the file, not the network.
    func refuseUnreadKeys() throws(Failure) {
        let type = try metadata.string("general.type", default: "model")
        guard type == "model" else {
            throw Failure(.unsupported, "\(metadata.name): general.type is \(type.quoted); expected \"model\"")
        }
        let prefix = "\(architecture.rawValue)."
        let known = readKeys.union(Self.irrelevantKeys)
        for key in contents.keys where key.hasPrefix(prefix) {
            let name = String(key.dropFirst(prefix.count))
            if known.contains(name) { continue }
            if let neutral = Self.neutralValues[name], metadata[key]?.double == neutral { continue }
            if metadata[key]?.bool == false { continue }
            throw Failure(.unsupported, "\(metadata.name): metadata \(key.quoted) is not supported")
        }
    }

    /// What ``config(endTokens:)`` and ``poolingFiles()`` read.
    private var readKeys: Set<String> {
        var keys: Set = [
            "block_count", "context_length", "embedding_length", "feed_forward_length", "expert_count", "pooling_type",
            "attention.causal", "attention.head_count", "attention.head_count_kv", "attention.key_length",
            "attention.value_length", "attention.layer_norm_rms_epsilon", "attention.sliding_window", "rope.freq_base",
            "rope.dimension_count", "rope.scale_linear", "rope.scaling.type", "rope.scaling.factor",
            "rope.scaling.original_context_length", "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
            "rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_ext_factor",
        ]
        guard architecture.hasOutputNorms else { return keys }
        keys.formUnion(["final_logit_softcapping", "rope.freq_base_swa", "attention.sliding_window_pattern"])
        if architecture == .gemma2 { keys.insert("attn_logit_softcapping") }
        if architecture == .gemma3n {
            keys.formUnion([
                "altup.num_inputs", "altup.active_idx", "attention.shared_kv_layers", "activation_sparsity_scale",
                "embedding_length_per_layer_input",
            ])
        } else {
            keys.insert("attention.scale")
        }
        return keys
    }

    /// What the tensors say, what only those who train ask for, and what networks without experts, or with RMSNorm, do not have.
    private static let irrelevantKeys: Set<String> = [
        "vocab_size", "tensor_data_layout", "rope.scaling.finetuned", "expert_used_count",
        "attention.layer_norm_epsilon",
    ]

    /// Numbers with which a key that is not supported says nothing. Truth values say nothing if they are false.
    private static let neutralValues: [String: Double] = [
        "attention.scale": 0, "attention.clamp_kqv": 0, "attention.max_alibi_bias": 0, "attn_logit_softcapping": 0,
        "final_logit_softcapping": 0, "expert_shared_count": 0, "logit_scale": 1, "embedding_scale": 1,
        "residual_scale": 1,
        "rope.scaling.yarn_log_multiplier": 0,
    ]
}
