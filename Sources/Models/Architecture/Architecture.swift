public import NestlingBasics

/// A declarative description of a network: embedding, blocks, norm, heads. No weights, but the names of the tensors that
/// hold them.
///
/// A family makes one from a `config.json`; `nestling.json` may hold one as it is. The parts are nodes that
/// `Registry` and the parts themselves read; see ARCHITECTURE.md for the form.
public struct Architecture: Sendable, Equatable {
    /// One block and where its tensors live.
    public struct Block: Sendable, Equatable {
        /// What the names of the tensors that belong to this block alone begin with; empty if blocks share them.
        public var prefix: String
        /// `{"sublayers": [...]}`
        public var node: JSON

        /// A block.
        public init(prefix: String, node: JSON) {
            self.prefix = prefix
            self.node = node
        }

        /// Whether a downsampling follows: blocks after it see other rows.
        public var endsStage: Bool { node["downsampling"]?.object != nil }
    }

    /// The family's name, as in `config.json`'s `model_type`.
    public var family: String
    /// Elements of a hidden state.
    public var hiddenSize: Int
    /// What makes the first rows, of token ids or of images.
    public var embedding: JSON
    /// The blocks, first to last.
    public var blocks: [Block]
    /// What makes hidden states of the last block's rows, where these hold several streams; null: nothing.
    public var readout: JSON = .null
    /// Applied after the last block, and the readout; null: none.
    public var finalNorm: JSON = .null
    /// What makes a sequence vector of hidden states where sentence-transformers' files say nothing: a head; null: the mean.
    public var pooler: JSON = .null
    /// Which tower this is of a checkpoint that has two.
    public var tower: Tower?
    /// How vectors of the two towers are scored, `{"scale", "bias"?: names of tensors of one element, "shape"}`; null: not.
    public var jointSimilarity: JSON = .null
    /// The heads that the checkpoint carries.
    public var heads: [HeadKind: JSON] = [:]
    /// The head that the config's class names.
    public var defaultHead: HeadKind?
    /// Names of the labels of the default head, by index; empty if the config names none.
    public var labels: [String] = []
    /// The longest sequence that the model was made for; texts are cut to it. `nil`: the config does not say.
    public var textTokens: Int?

    /// A network without heads.
    public init(family: String, hiddenSize: Int, embedding: JSON, blocks: [Block]) {
        self.family = family
        self.hiddenSize = hiddenSize
        self.embedding = embedding
        self.blocks = blocks
    }

    /// Reads the form that ``json`` gives; `name` is the file's.
    public init(_ fields: JSONFields) throws(Failure) {
        family = try fields.string("family")
        hiddenSize = try fields.integer("hidden_size", in: 1...Int(Int32.max))
        embedding = fields["embedding"] ?? .null
        blocks = []
        for block in try fields.optionalObjects("blocks") ?? [] {
            var node = block.object
            node["prefix"] = nil
            blocks.append(Block(prefix: try block.string("prefix", default: ""), node: .object(node)))
        }
        readout = fields["readout"] ?? .null
        finalNorm = fields["final_norm"] ?? .null
        pooler = fields["pooler"] ?? .null
        jointSimilarity = fields["joint_similarity"] ?? .null
        if let name = try fields.optionalString("tower") {
            guard let tower = Tower(rawValue: name) else {
                throw Failure(.unsupported, "\(fields.name): tower \(name.quoted) is not known")
            }
            self.tower = tower
        }
        for (key, head) in try fields.optionalObject("heads")?.object.members ?? [] {
            guard let kind = HeadKind(name: key) else {
                throw Failure(.unsupported, "\(fields.name).heads: head \(key.quoted) is not known")
            }
            heads[kind] = head
        }
        defaultHead = try fields.optionalString("default_head").flatMap(HeadKind.init(name:))
        labels = try fields.strings("labels", default: [])
        textTokens = try fields.optionalInteger("text_tokens", in: 1...Int(Int32.max))
    }

    /// The whole description as JSON.
    public var json: JSON {
        var object = JSONObject()
        object["family"] = .string(family)
        object["hidden_size"] = .integer(hiddenSize)
        if let tower { object["tower"] = .string(tower.rawValue) }
        if let textTokens { object["text_tokens"] = .integer(textTokens) }
        object["embedding"] = embedding
        object["blocks"] = .array(
            blocks.map { block in
                var node = block.node.object ?? JSONObject()
                node["prefix"] = block.prefix.isEmpty ? nil : .string(block.prefix)
                return .object(node)
            })
        if !readout.isNull { object["readout"] = readout }
        object["final_norm"] = finalNorm
        if !pooler.isNull { object["pooler"] = pooler }
        if !jointSimilarity.isNull { object["joint_similarity"] = jointSimilarity }
        var headNodes = JSONObject()
        for kind in HeadKind.allCases { if let head = heads[kind] { headNodes[kind.name] = head } }
        object["heads"] = .object(headNodes)
        if let defaultHead { object["default_head"] = .string(defaultHead.name) }
        if !labels.isEmpty { object["labels"] = .array(labels.map { .string($0) }) }
        return .object(object)
    }
}
