public import Basics

/// A model family: a function from its `config.json` and the names of its tensors to an architecture. No arithmetic.
protocol Family: Sendable {
    /// The `model_type`s of the configs that this family reads.
    static var modelTypes: [String] { get }
    /// The config key of the FFN width, and of the number of layers: what a uniform submodel changes.
    static var widthKey: String { get }
    static var layersKey: String { get }
    /// Describes the network of `config`, whose checkpoint has tensors of `names`.
    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture
    /// Changes the FFN width of all layers in a config.
    static func set(width: Int, in config: inout JSONObject)
    /// Changes whatever else in a config depends on which `layers` are kept.
    static func keep(layers: [Int], in config: inout JSONObject)
}

extension Family {
    static var widthKey: String { "intermediate_size" }
    static var layersKey: String { "num_hidden_layers" }
    static func set(width: Int, in config: inout JSONObject) { config[widthKey] = .integer(width) }
    static func keep(layers: [Int], in config: inout JSONObject) {}
}

/// The one list of families.
public enum Families {
    private static let all: [any Family.Type] = [
        BERT.self, RoBERTa.self, DistilBERT.self, MPNet.self, ELECTRA.self, ALBERT.self, ModernBERT.self,
        NomicBERT.self, GTE.self, JinaEmbeddingsV3.self, ViT.self, DeiT.self, DINOv2.self,
        ViTMAE.self,
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

    /// Describes the network of `config`, whose checkpoint has tensors of `names`.
    public static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        var architecture = try family(config).architecture(config, names)
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

    /// The config of a submodel with the FFN width `width` (`nil`: as it was) and the given layers of the original.
    public static func config(
        _ config: JSONObject, name: String, width: Int?, layers: [Int]
    ) throws(Failure) -> JSONObject {
        let family = try family(JSONFields(config, name: name))
        var changed = config
        if let width { family.set(width: width, in: &changed) }
        changed[family.layersKey] = .integer(layers.count)
        family.keep(layers: layers, in: &changed)
        return changed
    }
}
