public import NestlingBasics
public import NestlingBlocks
import NestlingCheckpoints
public import NestlingModels
import NestlingTokenizers

extension Model {
    /// The family's name, as in `config.json`.
    public var family: String { network.weights.architecture.family }
    /// Blocks in use.
    public var layers: Int { network.blocks.count }
    /// Elements of a token's hidden state.
    public var hiddenSize: Int { network.hiddenSize }
    /// Elements of a token's hidden state after the embedding and after each block in use, where patches merge or tokens have
    /// several streams; `nil`: all are ``hiddenSize``.
    public var hiddenSizes: [Int]? {
        let sizes = (0...layers).map { network.hiddenSize(after: $0) }
        return sizes.allSatisfy { $0 == hiddenSize } ? nil : sizes
    }
    /// Elements of a sequence vector.
    public var outputDimensions: Int { network.kept.outputDimensions }
    /// Token ids are `0 ..< vocabularySize`; 0: the model takes none.
    public var vocabularySize: Int { network.weights.embedding.vocabularySize }
    /// Token type ids are `0 ..< tokenTypes`; 0: the model has none.
    public var tokenTypes: Int { network.weights.embedding.tokenTypes }
    /// The longest sequence that the positions allow; `nil`: any.
    public var maximumTokens: Int? { network.weights.embedding.maximumTokens }
    /// Texts are cut to this many tokens, special ones included: the least of what the checkpoint says.
    public var textTokens: Int? {
        [sentence.maximumTokenCount, network.weights.architecture.textTokens, maximumTokens].compactMap { $0 }.min()
    }
    /// FFN width of each block in use.
    public var ffnWidths: [Int] { network.kept.widths }
    /// Attention heads of each block in use.
    public var heads: [Int] { network.kept.heads }
    /// The images that the model takes; `nil`: it takes token ids.
    public var image: ImageFormat? { network.weights.embedding.image }
    /// Which tower this is of a checkpoint that has two.
    public var tower: Tower? { network.weights.architecture.tower }
    /// How vectors are scored with those of the other tower: `scale * <t / |t|, i / |i|> + bias`.
    public var jointSimilarity: JointSimilarity? { network.weights.jointSimilarity }
    /// What the checkpoint pools by; several are put side by side. Empty if in a way that no ``Pooling`` is.
    public var poolings: [Pooling] { network.weights.pipeline.poolings }
    /// Whether the checkpoint asks for vectors of length 1.
    public var normalizes: Bool { network.weights.pipeline.normalizes }
    /// The heads that the checkpoint carries.
    public var headKinds: [HeadKind] { HeadKind.allCases.filter { network.weights.architecture.heads[$0] != nil } }
    /// The head that the config names.
    public var defaultHead: HeadKind? { network.weights.architecture.defaultHead }
    /// Scores in each row of a head; `nil` if the checkpoint does not carry it.
    public func scores(_ kind: HeadKind) -> Int? { network.weights.headOutputs[kind] }
    /// Names of the default head's labels.
    public var labels: [String] { network.weights.architecture.labels }
    /// Weights in use, heads not counted.
    public var parameters: Int { network.parameters }
    /// Memory of the weights, shared with all submodels.
    public var weightBytes: Int { network.weights.storageBytes }

    /// What a GGUF file says of its tokenizer, in the words of a `tokenizer_config.json`; `nil` for other checkpoints, which have
    /// the file.
    public var tokenizerConfig: JSON? {
        guard let source = network.weights.checkpoint.source as? GGUFSource else { return nil }
        return try? source.json("tokenizer_config.json")
    }

    /// Everything above, as `nestling_model_describe` gives it.
    public var description: JSON {
        func integers(_ values: [Int]) -> JSON { .array(values.map { .integer($0) }) }
        func optional(_ value: Int?) -> JSON { value.map { .integer($0) } ?? .null }
        var object = JSONObject()
        object["family"] = .string(family)
        object["layers"] = .integer(layers)
        object["hidden_size"] = .integer(hiddenSize)
        if let hiddenSizes { object["hidden_sizes"] = integers(hiddenSizes) }
        object["output_dimensions"] = .integer(outputDimensions)
        object["vocabulary_size"] = .integer(vocabularySize)
        object["token_types"] = .integer(tokenTypes)
        object["maximum_tokens"] = optional(maximumTokens)
        object["text_tokens"] = optional(textTokens)
        object["kept_layers"] = integers(network.kept.layers)
        object["ffn_widths"] = integers(ffnWidths)
        object["heads"] = integers(heads)
        object["parameters"] = .integer(parameters)
        object["weight_bytes"] = .integer(weightBytes)
        object["dtype"] = .string(dtype.rawValue)
        object["image"] =
            image.map { image in
                [
                    "channels": .integer(image.channels), "height": .integer(image.height),
                    "width": .integer(image.width), "patch_height": .integer(image.patchHeight),
                    "patch_width": .integer(image.patchWidth), "prefix_tokens": .integer(image.prefixTokens),
                ]
            } ?? .null
        object["tower"] = tower.map { .string($0.rawValue) } ?? .null
        object["logit_scale"] = jointSimilarity.map { .number(Double($0.scale)) } ?? .null
        object["logit_bias"] = jointSimilarity.map { .number(Double($0.bias)) } ?? .null
        object["pooling"] = .array(network.weights.pipeline.poolingNames.map { .string($0) })
        object["normalizes"] = .bool(normalizes)
        object["similarity"] = .string(sentence.similarity.rawValue)
        var prompts = JSONObject()
        for prompt in sentence.prompts { prompts[prompt.name] = .string(prompt.text) }
        object["prompts"] = .object(prompts)
        object["default_prompt_name"] = sentence.defaultPromptName.map { .string($0) } ?? .null
        object["output_heads"] = .array(headKinds.map { .string($0.name) })
        object["default_head"] = defaultHead.map { .string($0.name) } ?? .null
        object["labels"] = .array(labels.map { .string($0) })
        object["has_tokenizer"] = .bool(tokenizer != nil)
        object["tokenizer_config"] = tokenizerConfig ?? .null
        return .object(object)
    }
}
