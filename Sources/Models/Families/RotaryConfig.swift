import NestlingBasics

/// What configs say of rotary positions: `rope_parameters` as transformers 5 writes them, or `rope_scaling`, `rope_theta` and
/// `partial_rotary_factor` as it did before. What stands in the older `rope_scaling` wins, as it does there.
struct RotaryConfig {
    private let config: JSONFields
    /// Everything under `rope_parameters`.
    private let parameters: JSONFields
    private let theta: Double
    /// The share of a head that is rotated.
    private let share: Double
    /// Tokens of training, where a config does not say; `nil`: as many as there may be.
    private let originalTokens: Int?
    /// Other names of types.
    private let aliases: [String: String]

    /// Reads what `config` says, with what it means if it says nothing; the keys are those of older configs.
    init(
        _ config: JSONFields, thetaKey: String = "rope_theta", theta: Double = 10_000,
        shareKey: String = "partial_rotary_factor", share: Double = 1, originalTokens: Int? = nil,
        aliases: [String: String] = [:]
    ) throws(Failure) {
        let parameters = try Self.parameters(config)
        for type in [LayerTypes.full, LayerTypes.sliding] where parameters.contains(type) {
            throw parameters.unsupported(type, "is not supported for this family")
        }
        let theta = try config.number(thetaKey, default: theta)
        let share = try config.number(shareKey, default: share)
        try self.init(
            config, parameters, theta: theta, share: share, originalTokens: originalTokens, aliases: aliases)
    }

    /// What stands under `rope_scaling`, or else under `rope_parameters`.
    private static func parameters(_ config: JSONFields) throws(Failure) -> JSONFields {
        if let older = try config.optionalObject("rope_scaling") { return older }
        if let newer = try config.optionalObject("rope_parameters") { return newer }
        return JSONFields(JSONObject(), name: "\(config.name): rope_parameters")
    }

    /// Reads what `config` says of layers of `layerType`, each of which has parameters of its own; those of older configs are
    /// under the key `scaling`.
    init(
        _ config: JSONFields, layerType: String, scaling: String?, thetaKey: String, theta: Double
    ) throws(Failure) {
        var own = JSONObject()
        let all = try config.optionalObject("rope_parameters")
        if let found = try all?.optionalObject(layerType) { own = found.object }
        if let scaling, let older = try config.optionalObject(scaling) {
            for (key, value) in older.object.members { own[key] = value }
        }
        let theta = try config.number(thetaKey, default: theta)
        let share = try config.number("partial_rotary_factor", default: 1)
        try self.init(
            config, JSONFields(own, name: "\(config.name): rope_parameters"), theta: theta, share: share,
            originalTokens: nil, aliases: [:])
    }

    private init(
        _ config: JSONFields, _ parameters: JSONFields, theta: Double, share: Double, originalTokens: Int?,
        aliases: [String: String]
    ) throws(Failure) {
        self.config = config
        self.parameters = parameters
        self.theta = try parameters.number("rope_theta", default: theta)
        self.share = try parameters.number("partial_rotary_factor", default: share)
        self.originalTokens = originalTokens
        self.aliases = aliases
        guard self.share > 0, self.share <= 1 else {
            throw config.failure("partial_rotary_factor", "must be more than 0 and at most 1")
        }
    }

    /// The feature of heads of `headSize` elements.
    ///
    /// - Parameter mayBePartial: whether the family rotates a part of a head.
    func feature(headSize: Int, mayBePartial: Bool = false) throws(Failure) -> JSON {
        let name = try parameters.string("rope_type", default: parameters.string("type", default: "default"))
        let type = aliases[name] ?? name
        var scaling = JSONObject()
        scaling["type"] = .string(type)
        // `proportional` rotates all of a head, though most of it by nothing.
        let size = type == "proportional" ? headSize : Int(Double(headSize) * share)
        guard mayBePartial || size == headSize else {
            throw config.unsupported("partial_rotary_factor", "is not supported for this family")
        }
        guard size >= 2, size.isMultiple(of: 2) else {
            throw Failure(
                .unsupported, "\(config.name): \(size) elements of a head are rotated; they must be even and at least 2"
            )
        }
        var node = JSONObject()
        node["type"] = "rope"
        node["theta"] = .number(theta)
        node["size"] = .integer(size)
        switch type {
        case "default": return .object(node)
        case "linear": scaling["factor"] = .number(try parameters.number("factor"))
        case "dynamic":
            scaling["factor"] = .number(try parameters.number("factor"))
            scaling["tokens"] = .integer(try config.size("max_position_embeddings"))
        case "llama3":
            scaling["factor"] = .number(try parameters.number("factor"))
            scaling["low_frequency_factor"] = .number(try parameters.number("low_freq_factor"))
            scaling["high_frequency_factor"] = .number(try parameters.number("high_freq_factor"))
            scaling["original_tokens"] = .integer(try trainedTokens())
        case "yarn":
            scaling["factor"] = .number(try factor())
            scaling["original_tokens"] = .integer(try trainedTokens())
            for (key, name) in [
                ("beta_fast", "beta_fast"), ("beta_slow", "beta_slow"), ("attention_factor", "attention_factor"),
                ("mscale", "mscale"), ("mscale_all_dim", "mscale_all_dimensions"),
            ] {
                if let number = try parameters.optionalNumber(key) { scaling[name] = .number(number) }
            }
            if let truncates = try parameters.optionalBool("truncate") { scaling["truncate"] = .bool(truncates) }
        case "longrope":
            scaling["factor"] = .number(try factor())
            scaling["original_tokens"] = .integer(try trainedTokens())
            for key in ["short_factor", "long_factor"] {
                scaling[key] = .array(try parameters.numbers(key).map { .number($0) })
            }
            if let factor = try parameters.optionalNumber("attention_factor") {
                scaling["attention_factor"] = .number(factor)
            }
        case "proportional":
            scaling["factor"] = .number(try parameters.number("factor", default: 1))
            scaling["share"] = .number(share)
        default: throw parameters.unsupported("rope_type", "\(type.quoted) is not supported")
        }
        node["scaling"] = .object(scaling)
        return .object(node)
    }

    /// Tokens of training.
    private func trainedTokens() throws(Failure) -> Int {
        let key = "original_max_position_embeddings"
        let range = 1...Int(Int32.max)
        if let tokens = try config.optionalInteger(key, in: range) ?? originalTokens { return tokens }
        if let tokens = try parameters.optionalInteger(key, in: range) { return tokens }
        return try config.integer("max_position_embeddings", in: range)
    }

    /// `factor`, or how many times as many tokens there may be as in training.
    private func factor() throws(Failure) -> Double {
        if let factor = try parameters.optionalNumber("factor") { return factor }
        return Double(try config.size("max_position_embeddings")) / Double(try trainedTokens())
    }
}
