import NestlingBasics
import NestlingCheckpoints
import NestlingGeneration
import NestlingModels

/// What a checkpoint says about generating: `generation_config.json`, and the token that ends texts of `config.json`.
struct GenerationSettings: Sendable {
    /// Tokens that end a text.
    private(set) var endTokens: Set<Int32> = []
    /// How tokens are chosen unless a request says otherwise.
    private(set) var sampling = SamplingOptions()

    /// Those of the checkpoint of `network`. What is not known of `generation_config.json` is for other engines.
    init(_ network: Network) throws(Failure) {
        let config = JSONFields(network.weights.config, name: "config.json")
        // Checkpoints of several towers have the decoder's settings inside.
        let text = try config.optionalObject("text_config")
        if let text { endTokens = try GenerationSettings.tokens(text) ?? endTokens }
        endTokens = try GenerationSettings.tokens(config) ?? endTokens
        guard let fields = try network.weights.checkpoint.source.fields("generation_config.json") else { return }
        endTokens = try GenerationSettings.tokens(fields) ?? endTokens
        sampling.repetitionPenalty = try GenerationSettings.number(fields, "repetition_penalty") ?? 1
        guard try fields.bool("do_sample", default: false) else { return }
        sampling.temperature = try GenerationSettings.number(fields, "temperature") ?? 1
        sampling.topK = try fields.optionalInteger("top_k", in: 0...Int(Int32.max)) ?? 50
        sampling.topP = try GenerationSettings.number(fields, "top_p") ?? 1
        sampling.minP = try GenerationSettings.number(fields, "min_p") ?? 0
        do throws(Failure) {
            try sampling.check(vocabularySize: Int(Int32.max))
        } catch {
            throw Failure(.corrupt, "\(fields.name): \(error.message)")
        }
    }

    private static func number(_ fields: JSONFields, _ key: String) throws(Failure) -> Float? {
        try fields.optionalNumber(key).map { Float($0) }
    }

    /// `eos_token_id`: a number, or several.
    private static func tokens(_ fields: JSONFields) throws(Failure) -> Set<Int32>? {
        guard let value = fields["eos_token_id"], !value.isNull else { return nil }
        let range = 0...Int(Int32.max)
        if value.array != nil { return Set(try fields.integers("eos_token_id", in: range).map { Int32($0) }) }
        return [Int32(try fields.integer("eos_token_id", in: range))]
    }
}
