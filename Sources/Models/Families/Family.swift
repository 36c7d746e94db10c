public import NestlingBasics

/// A model family: a function from its `config.json` and the names of its tensors to an architecture. No arithmetic.
protocol Family: Sendable {
    /// The `model_type`s of the configs that this family reads.
    static var modelTypes: [String] { get }
    /// The config key of the FFN width, and of the number of layers: what a uniform submodel changes.
    static var widthKey: String { get }
    static var layersKey: String { get }
    /// The config key under which checkpoints of texts and images have the config of texts; `nil`: there are none.
    static var textKey: String? { get }
    /// Describes the network of `config`, whose checkpoint has tensors of `names`.
    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture
    /// Changes the FFN width of all layers in a config.
    static func set(width: Int, in config: inout JSONObject)
    /// Changes the FFN widths of the layers `blocks` in a config, if it can say them.
    static func set(widths: [Int], of blocks: [Architecture.Block], in config: inout JSONObject)
    /// Changes whatever else in a config depends on which `layers` are kept of so many.
    static func keep(layers: [Int], of count: Int, in config: inout JSONObject)
}

extension Family {
    static var widthKey: String { "intermediate_size" }
    static var layersKey: String { "num_hidden_layers" }
    static var textKey: String? { nil }
    static func set(width: Int, in config: inout JSONObject) { config[widthKey] = .integer(width) }
    static func set(widths: [Int], of blocks: [Architecture.Block], in config: inout JSONObject) {
        if Set(widths).count == 1 { set(width: widths[0], in: &config) }
    }
    static func keep(layers: [Int], of count: Int, in config: inout JSONObject) {}
}

/// The one list of families.
public enum Families {
    private static let all: [any Family.Type] = [
        BERT.self, RoBERTa.self, DistilBERT.self, MPNet.self, ELECTRA.self, ALBERT.self, ModernBERT.self,
        NomicBERT.self, GTE.self, JinaEmbeddingsV3.self, ViT.self, DeiT.self, DINOv2.self,
        ViTMAE.self, Swin.self, CLIP.self, SigLIP.self, Llama.self, Mistral.self, Qwen2.self, Qwen3.self,
        GPT2.self, GPTNeoX.self, OPT.self, Phi3.self, Gemma.self, Gemma2.self, Gemma3.self, Gemma3n.self,
    ]

    /// The `model_type`s that can be read.
    public static var modelTypes: [String] { all.flatMap { $0.modelTypes }.sorted() }

    private static func family(_ config: JSONFields) throws(Failure) -> any Family.Type {
        let type = try config.string("model_type")
        guard let family = all.first(where: { $0.modelTypes.contains(type) }) else {
            throw Failure(
                .unsupported,
                "\(config.name): model_type \(type.quoted) is not supported; supported are \(modelTypes.joined(separator: ", "))"
            )
        }
        return family
    }

    /// The towers of a checkpoint of texts and images, of which a model has one; `[nil]` for all others.
    public static func towers(_ config: JSONFields) throws(Failure) -> [Tower?] {
        guard let family = try family(config) as? any TowerFamily.Type else { return [nil] }
        return try family.towers(config)
    }

    /// Describes the network of `config`, whose checkpoint has tensors of `names`, or one of its towers.
    public static func architecture(
        _ config: JSONFields, _ names: TensorNames, tower: Tower? = nil
    ) throws(Failure) -> Architecture {
        let towers = try towers(config)
        guard tower == nil || towers.contains(tower) else {
            throw Failure(.invalidArgument, "\(config.name): the checkpoint has no \(tower?.rawValue ?? "") tower")
        }
        guard let chosen = tower ?? (towers.count == 1 ? towers[0] : nil),
            let family = try family(config) as? any TowerFamily.Type
        else { return try describe(family(config).architecture(config, names), config) }
        var architecture = try family.architecture(config, names, chosen)
        architecture.tower = chosen
        return try describe(architecture, config)
    }

    /// Adds what all configs say alike.
    private static func describe(_ architecture: Architecture, _ config: JSONFields) throws(Failure) -> Architecture {
        var architecture = architecture
        if let tokens = try config.optionalInteger("max_position_embeddings", in: 1...Int(Int32.max)) {
            architecture.textTokens = tokens
        }
        let classes = try config.strings("architectures", default: [])
        architecture.defaultHead =
            classes.lazy.compactMap(HeadKind.init(className:)).first { architecture.heads[$0] != nil }
        let labels = try config.optionalObject("id2label")?.object.members ?? []
        var named: [Int: String] = [:]
        for (key, label) in labels { if let index = Int(key), let label = label.string { named[index] = label } }
        architecture.labels = (0..<named.count).compactMap { named[$0] }
        return architecture
    }

    /// The config of a submodel of `architecture` with the given layers, and FFN widths for each of them (`nil`: as they were).
    public static func config(
        _ config: JSONObject, name: String, widths: [Int]?, layers: [Int], of architecture: Architecture
    ) throws(Failure) -> JSONObject {
        let family = try family(JSONFields(config, name: name))
        let key = architecture.tower.map { "\($0.rawValue)_config" } ?? family.textKey
        if let key, let part = config[key]?.object {
            var changed = config
            changed[key] = .object(resized(part, family, widths, layers, architecture.blocks))
            return changed
        }
        return resized(config, family, widths, layers, architecture.blocks)
    }

    private static func resized(
        _ config: JSONObject, _ family: any Family.Type, _ widths: [Int]?, _ layers: [Int],
        _ blocks: [Architecture.Block]
    ) -> JSONObject {
        var changed = config
        if let widths { family.set(widths: widths, of: layers.map { blocks[$0] }, in: &changed) }
        changed[family.layersKey] = .integer(layers.count)
        family.keep(layers: layers, of: blocks.count, in: &changed)
        return changed
    }
}
