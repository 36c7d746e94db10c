public import NestlingBasics

/// How a checkpoint of sentence-transformers makes vectors from texts: what `modules.json` and the files around it say.
///
/// Without `modules.json`, or if the checkpoint is of another of the package's model types, these are the defaults that
/// sentence-transformers takes: mean pooling, or the last token's vector for causal language models, and nothing after
/// it.
public struct SentenceTransformersSettings: Sendable, Equatable {
    /// A text that goes before every text of one purpose.
    public struct Prompt: Sendable, Equatable {
        /// The purpose, for example `query`.
        public var name: String
        /// What is put before the text.
        public var text: String
    }

    /// How vectors are meant to be compared.
    public enum Similarity: String, Sendable {
        /// Cosine of the angle.
        case cosine
        /// Dot product.
        case dot
        /// Negative Euclidean distance.
        case euclidean
        /// Negative sum of absolute differences.
        case manhattan
    }

    /// Whether the checkpoint itself says so, rather than these being defaults.
    public internal(set) var isDeclared = false
    /// The folder of the transformer's config, weights and tokenizer; empty for the checkpoint's own.
    public internal(set) var transformerFolder = ""
    /// The most tokens of a text, special ones included, if the checkpoint says; the model's positions may allow fewer.
    public internal(set) var maximumTokenCount: Int?
    /// Whether texts are put in lower case before the tokenizer sees them.
    public internal(set) var lowercases = false
    /// What is concatenated to make a vector, in this order. Empty if the checkpoint has a transformer only.
    public internal(set) var pooling: [PoolingMode] = [.mean]
    /// Whether `modules.json` says what makes a vector; without it, the family of the model may know better than the default.
    public internal(set) var hasModules = false
    /// The width of the token vectors that pooling expects, if the checkpoint says.
    public internal(set) var pooledDimension: Int?
    /// Whether the prompt's tokens take part in pooling.
    public internal(set) var includesPrompt = true
    /// What happens to the vector after pooling, in this order.
    public internal(set) var steps: [VectorStep] = []
    /// The prompts, in the order of the file.
    public internal(set) var prompts: [Prompt] = []
    /// The name of the prompt for texts without a stated purpose.
    public internal(set) var defaultPromptName: String?
    /// How vectors are meant to be compared.
    public internal(set) var similarity = Similarity.cosine
    /// To how many features vectors are cut, if the checkpoint says.
    public internal(set) var truncatedDimension: Int?

    /// The text of the prompt `name`, if there is one. `query` and `document` are always there, empty if not set.
    public func prompt(_ name: String) -> String? {
        let found = prompts.first { UTF8Key($0.name) == UTF8Key(name) }
        return found?.text ?? (name == "query" || name == "document" ? "" : nil)
    }

    /// Reads the settings of a checkpoint.
    /// - Throws: `.corrupt` for contradictions, `.unsupported` for modules that this library does not have, by name,
    ///   `.notFound` for files that the modules need.
    public init(source: any FileSource) throws(Failure) {
        let general = try source.fields("config_sentence_transformers.json")
        let modelType = try general?.string("model_type", default: "SentenceTransformer")
        guard let modules = try source.json("modules.json"), modelType ?? "SentenceTransformer" == "SentenceTransformer"
        else {
            try readDefaults(source)
            return
        }
        isDeclared = true
        pooling = []
        hasModules = true
        try readModules(modules, source)
        try readTransformer(source)
        if let general { try readGeneral(general) }
    }

    /// What sentence-transformers does with a plain transformer.
    private mutating func readDefaults(_ source: any FileSource) throws(Failure) {
        if let config = try source.fields("config.json") {
            let architecture = try config.optionalStrings("architectures")?.first ?? ""
            let isCausal = try config.bool("is_causal", default: true)
            if architecture.hasSuffix("ForCausalLM") && isCausal { pooling = [.last] }
        }
        try readTokenizerLimit(source)
    }

    /// Reads `sentence_bert_config.json`, or what it was called for other models in the past.
    private mutating func readTransformer(_ source: any FileSource) throws(Failure) {
        for model in ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"] {
            let name = join(transformerFolder, "sentence_\(model)_config.json")
            guard let fields = try source.fields(name), fields.object.count > 0 else { continue }
            let task = try fields.string("transformer_task", default: "feature-extraction")
            guard task == "feature-extraction" else {
                throw Failure(
                    .unsupported, "\(name): transformer_task is \(task.quoted); only feature-extraction gives vectors")
            }
            maximumTokenCount = try fields.optionalInteger("max_seq_length", in: 1...Int(Int32.max))
            lowercases = try fields.bool("do_lower_case", default: false)
            break
        }
        if maximumTokenCount == nil { try readTokenizerLimit(source) }
    }

    /// Newer versions keep the limit in the tokenizer's configuration; 1e30 there means "none".
    private mutating func readTokenizerLimit(_ source: any FileSource) throws(Failure) {
        guard let fields = try source.fields(join(transformerFolder, "tokenizer_config.json")) else { return }
        guard let limit = try fields.optionalNumber("model_max_length"), limit <= Double(Int32.max) else { return }
        maximumTokenCount = try fields.optionalInteger("model_max_length", in: 1...Int(Int32.max))
    }

    /// Reads `config_sentence_transformers.json`.
    private mutating func readGeneral(_ fields: JSONFields) throws(Failure) {
        for (name, value) in try fields.optionalObject("prompts")?.object.members ?? [] {
            guard value.isNull || value.string != nil else {
                throw fields.failure("prompts", "hold \(value.summary) for \(name.quoted); expected a string")
            }
            prompts.append(Prompt(name: name, text: value.string ?? ""))
        }
        defaultPromptName = try fields.optionalString("default_prompt_name")
        if let name = defaultPromptName, prompt(name) == nil {
            throw fields.failure("default_prompt_name", "is \(name.quoted), which is not among the prompts")
        }
        // As there, names that mean something to other model types fall back to the default.
        similarity = try fields.optionalString("similarity_fn_name").flatMap { Similarity(rawValue: $0) } ?? .cosine
        truncatedDimension = try fields.optionalInteger("truncate_dim", in: 1...Int(Int32.max))
    }
}
