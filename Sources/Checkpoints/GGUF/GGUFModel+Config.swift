import NestlingBasics

extension GGUFModel {
    /// The `config.json` of the checkpoint that the file was made of.
    func config(endTokens: [Int]) throws(Failure) -> JSONObject {
        try refuseUnreadKeys()
        if let experts = try metadata.optionalInteger(key("expert_count"), in: 0...Int.max), experts > 0 {
            throw Failure(
                .unsupported, "\(metadata.name): \(key("expert_count")) is \(experts): mixtures are not supported")
        }
        guard let table = tensor("token_embd.weight"), table.shape.count == 2 else {
            throw Failure(.corrupt, "\(metadata.name): tensor \"token_embd.weight\" is missing, or is no matrix")
        }
        let heads = try requiredSize("attention.head_count")
        let window = try size("attention.sliding_window")
        let headSize = try headSize()
        var config = JSONObject()
        let (type, name) = names(isWindowed: window != nil)
        config["architectures"] = [.string(name)]
        config["model_type"] = .string(type)
        config["vocab_size"] = .integer(table.shape[0])
        config["hidden_size"] = .integer(try requiredSize("embedding_length"))
        config["num_hidden_layers"] = .integer(try requiredSize("block_count"))
        config["num_attention_heads"] = .integer(heads)
        config["num_key_value_heads"] = .integer(try size("attention.head_count_kv") ?? heads)
        config["head_dim"] = .integer(headSize)
        config["intermediate_size"] = try widths()
        config["max_position_embeddings"] = .integer(try requiredSize("context_length"))
        config["rms_norm_eps"] = .number(try metadata.number(key("attention.layer_norm_rms_epsilon")))
        config["tie_word_embeddings"] = .bool(tensor("output.weight") == nil)
        if architecture != .qwen2 { config["attention_bias"] = .bool(tensor("blk.0.attn_q.bias") != nil) }
        if architecture == .llama { config["mlp_bias"] = .bool(tensor("blk.0.ffn_up.bias") != nil) }
        if let window { config["sliding_window"] = .integer(window) }
        // Files say 2^32 - 1 for none.
        if let id = try metadata.optionalInteger("tokenizer.ggml.bos_token_id", in: -1...Int(UInt32.max)),
            (0...Int(Int32.max)).contains(id)
        {
            config["bos_token_id"] = .integer(id)
        }
        if try !metadata.bool(key("attention.causal"), default: true) {
            guard !architecture.isGemma else {
                throw metadata.failure(
                    key("attention.causal"), "is false, which is not supported for this architecture")
            }
            config["is_causal"] = false
        }
        if !endTokens.isEmpty { config["eos_token_id"] = .array(endTokens.map { .integer($0) }) }
        config["rope_theta"] = .number(try number("rope.freq_base") ?? 10_000)
        if let scaling = try ropeScaling(headSize: headSize) { config["rope_scaling"] = .object(scaling) }
        if architecture.hasOutputNorms { try addGemma(to: &config, headSize: headSize, heads: heads) }
        return config
    }

    /// What transformers calls the architecture, and the class of its language models.
    private func names(isWindowed: Bool) -> (type: String, class: String) {
        switch architecture {
        case .llama:
            isWindowed ? ("mistral", "MistralForCausalLM") : ("llama", "LlamaForCausalLM")
        case .qwen2: ("qwen2", "Qwen2ForCausalLM")
        case .qwen3: ("qwen3", "Qwen3ForCausalLM")
        case .gemma: ("gemma", "GemmaForCausalLM")
        case .gemma2: ("gemma2", "Gemma2ForCausalLM")
        case .gemma3: ("gemma3_text", "Gemma3ForCausalLM")
        case .gemma3n: ("gemma3n_text", "Gemma3nForCausalLM")
        }
    }

    /// What the second and third generation of Gemma have beyond the first.
    private func addGemma(to config: inout JSONObject, headSize: Int, heads: Int) throws(Failure) {
        config["final_logit_softcapping"] = try softcap("final_logit_softcapping")
        if architecture == .gemma3n {
            try addGemma3n(to: &config)
        } else {
            config["query_pre_attn_scalar"] = .number(try scoreScalar(headSize: headSize, heads: heads))
        }
        if architecture == .gemma2 {
            config["attn_logit_softcapping"] = try softcap("attn_logit_softcapping")
            return
        }
        config["rope_local_base_freq"] = .number(try number("rope.freq_base_swa") ?? 10_000)
        let pattern = key("attention.sliding_window_pattern")
        if let types = metadata[pattern]?.array {
            config["layer_types"] = .array(
                types.map { .string($0.bool == true || $0.int == 1 ? "sliding_attention" : "full_attention") })
        } else if architecture == .gemma3 {
            let period = try metadata.integer(pattern, in: 1...4096, default: 6)
            config["sliding_window_pattern"] = .integer(config["sliding_window"] == nil ? 1 : period)
        } else if try metadata.integer(pattern, in: 1...4096, default: 5) != 5 {
            throw metadata.failure(
                pattern, "is a number other than 5; expected an array, one truth value for each layer")
        }
    }

    /// What scores are divided by the root of. The largest models scale scores by the hidden size of a head, which the metadata
    /// do not say: llama.cpp knows them by their number of layers.
    private func scoreScalar(headSize: Int, heads: Int) throws(Failure) -> Double {
        if let scale = try number("attention.scale"), scale != 0 { return 1 / (scale * scale) }
        let layers = try requiredSize("block_count")
        guard layers == (architecture == .gemma2 ? 46 : 62) else { return Double(headSize) }
        return Double(try requiredSize("embedding_length") / heads)
    }

    /// What bounds scores; null: nothing.
    private func softcap(_ name: String) throws(Failure) -> JSON {
        let value = try number(name) ?? 0
        return value == 0 ? .null : .number(value)
    }

    /// `rope_scaling`; `nil`: rotary positions are not scaled.
    private func ropeScaling(headSize: Int) throws(Failure) -> JSONObject? {
        let context = try requiredSize("context_length")
        if let factors = try ropeFactors(headSize: headSize) {
            let scaling: JSON = [
                "rope_type": "longrope", "short_factor": .array(factors), "long_factor": .array(factors),
                "attention_factor": 1, "original_max_position_embeddings": .integer(context),
            ]
            return scaling.object
        }
        var factor = try number("rope.scaling.factor")
        if factor == nil { factor = try number("rope.scale_linear") }
        let type = try metadata.string(key("rope.scaling.type"), default: factor == nil ? "none" : "linear")
        switch type {
        case "none": return nil
        case "linear":
            guard let factor, factor != 0, factor != 1 else { return nil }
            let scaling: JSON = ["rope_type": "linear", "factor": .number(factor)]
            return scaling.object
        case "yarn":
            var scaling = JSONObject()
            scaling["rope_type"] = "yarn"
            scaling["factor"] = .number(try metadata.number(key("rope.scaling.factor")))
            scaling["original_max_position_embeddings"] =
                .integer(try size("rope.scaling.original_context_length") ?? context)
            for (name, theirs) in [("yarn_beta_fast", "beta_fast"), ("yarn_beta_slow", "beta_slow")] {
                if let value = try number("rope.scaling.\(name)") { scaling[theirs] = .number(value) }
            }
            for name in ["attn_factor", "yarn_attn_factor", "yarn_ext_factor"] {
                guard try number("rope.scaling.\(name)") ?? 1 == 1 else {
                    throw Failure(
                        .unsupported, "\(metadata.name): \(key("rope.scaling.\(name)")) other than 1 is not supported")
                }
            }
            return scaling
        default:
            throw Failure(.unsupported, "\(metadata.name): \(key("rope.scaling.type")) \(type.quoted) is not supported")
        }
    }

    /// What the frequencies of each pair are divided by (Llama 3): a tensor, which no network has.
    private func ropeFactors(headSize: Int) throws(Failure) -> [JSON]? {
        guard let tensor = tensor(Self.ropeFactors) else { return nil }
        guard tensor.type == .float32, tensor.shape == [headSize / 2] else {
            throw Failure(
                .corrupt,
                "\(metadata.name): tensor \(tensor.name.quoted) is \(tensor.type.rawValue) \(describe(tensor.shape)); "
                    + "expected F32 [\(headSize / 2)]")
        }
        let values = (0..<tensor.elementCount).map {
            tensor.bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self)
        }
        guard values.allSatisfy({ $0 > 0 && $0.isFinite }) else {
            throw Failure(.corrupt, "\(metadata.name): tensor \(tensor.name.quoted) must hold positive numbers")
        }
        return values.allSatisfy { $0 == 1 } ? nil : values.map { .number(Double($0)) }
    }

    /// The tensor that is part of the config.
    static let ropeFactors = "rope_freqs.weight"
}
