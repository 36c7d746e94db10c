import Nestling

/// What the files of a checkpoint say about it. Nothing of this needs the weights.
struct Inspection {
    private static let knownFiles = [
        "config.json", "nestling.json", "model.safetensors.index.json", "modules.json", "sentence_bert_config.json",
        "config_sentence_transformers.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json",
    ]

    /// All tensors, in the order of the files.
    let tensors: [Tensor]
    private let description: CheckpointDescription
    private let tokenizer: Result<Tokenizer?, Failure>
    private let parameters: Int
    private let files: [(name: String, bytes: Int)]

    /// Reads the files of `source`, of which a model may be one `tower`.
    init(_ source: any FileSource, tower: Tower? = nil) throws(Failure) {
        let description = try CheckpointDescription(source, tower: tower)
        self.description = description
        let checkpoint = description.checkpoint
        tensors = checkpoint.names.compactMap { checkpoint[$0] }
        parameters = try CheckpointCheck(source, values: false).parameters
        let folder = description.sentence.transformerFolder
        do throws(Failure) {
            tokenizer = .success(try Tokenizer(in: source, folder: folder))
        } catch {
            tokenizer = .failure(error)
        }
        var files = checkpoint.files.map { (name: $0.file.name, bytes: $0.file.bytes.count) }
        let names = Inspection.knownFiles + (folder.isEmpty ? [] : Inspection.knownFiles.map { "\(folder)/\($0)" })
        // A GGUF file is all that there is, whatever it says.
        for name in source is GGUFSource ? [] : names {
            if let file = try source.file(name) { files.append((name, file.bytes.count)) }
        }
        self.files = files.sorted { $0.name < $1.name }
    }

    // MARK: - Facts

    private var architecture: Architecture { description.architecture }
    private var sentence: SentenceTransformersSettings { description.sentence }

    /// What makes rows of tokens, or of images.
    private var embedding: JSON { architecture.embedding["first"] ?? architecture.embedding }

    private func rows(_ table: String) -> Int? { embedding[table]?["shape"]?.array?.first?.int }

    /// The last two numbers of an array of the embedding, [height, width], width first.
    private func sides(_ keys: String...) -> String? {
        let node = keys.reduce(architecture.embedding) { $0[$1] ?? .null }
        let sides = (node.array ?? []).suffix(2).compactMap(\.int)
        return sides.count == 2 ? "\(sides[1]) x \(sides[0])" : nil
    }

    private var maximumTokens: Int? {
        let unused =
            embedding["padding_id"]?.int.map { $0 + 1 } ?? embedding["position_offset"]?.int
        return rows("positions").map { max(0, $0 - (unused ?? 0)) }
    }

    private var textTokens: Int? {
        [sentence.maximumTokenCount, architecture.textTokens, maximumTokens].compactMap { $0 }.min()
    }

    /// The number called `key` of each block's first mixer or channel; 0 without one.
    private func numbers(_ part: String, _ key: String) -> [Int] { numbers { $0[part]?[key] } }

    private func numbers(_ of: @escaping (_ sublayer: JSON) -> JSON?) -> [Int] {
        architecture.blocks.map { block in
            let sublayers = block.node["sublayers"]?.array ?? []
            return sublayers.lazy.compactMap { of($0)?.int }.first ?? 0
        }
    }

    /// What makes a vector in this family, where the checkpoint lists no modules of its own.
    private var pooler: JSONObject? { sentence.hasModules ? nil : architecture.pooler.object }

    private var poolings: [Pooling] { sentence.pooling.isEmpty ? [.mean] : sentence.pooling.map(Pooling.init) }

    private var outputDimensions: Int {
        var dimensions = architecture.hiddenSize * poolings.count
        if let pooler {
            let sizes = (pooler["steps"]?.array ?? []).compactMap { $0["linear"]?["shape"]?.array?.first?.int }
            dimensions = sizes.last ?? architecture.hiddenSize
        }
        for case .dense(let dense) in sentence.steps { dimensions = dense.outputs }
        return [dimensions, sentence.truncatedDimension, description.settings.outputDimensions].compactMap { $0 }.min()
            ?? 0
    }

    private var normalizes: Bool { sentence.steps.last == .normalize }
    private var headKinds: [HeadKind] { HeadKind.allCases.filter { architecture.heads[$0] != nil } }
    private var weightBytes: Int { tensors.reduce(0) { $0 + $1.bytes.count } }

    private var types: [String] {
        var types: [String] = []
        for tensor in tensors where !types.contains(tensor.type.rawValue) { types.append(tensor.type.rawValue) }
        return types
    }

    private var poolingNames: [String] {
        guard let name = pooler?["input"]?.string else { return poolings.map(\.name) }
        return [name == "first" ? Pooling.cls.name : name]
    }

    private var steps: [String] {
        poolingNames
            + sentence.steps.map { step in
                switch step {
                case .dense(let dense): "dense \(dense.inputs) -> \(dense.outputs) (\(dense.activation.rawValue))"
                case .layerNorm: "layer norm"
                case .normalize: "scale to length 1"
                }
            }
    }

    // MARK: - Reports

    /// The facts for people.
    var lines: [(name: String, value: String)] {
        var lines: [(name: String, value: String)] = [
            ("family", architecture.family.printable),
            ("parameters", "\(parameters.asMillions) (\(parameters.grouped))"),
            (
                "weights",
                "\(weightBytes.asBytes) in \(tensors.count.grouped) tensors of \(types.joined(separator: ", "))"
                    + (description.settings.codec.map { ", packed as \($0.rawValue)" } ?? "")
            ),
            ("layers", "\(architecture.blocks.count)"), ("hidden size", architecture.hiddenSize.grouped),
            ("FFN widths", perLayer(numbers("channel", "width"))), ("heads", perLayer(numbers("mixer", "heads"))),
            ("head size", perLayer(numbers("mixer", "head_size"))),
        ]
        if let image = sides("image"), let patch = sides("patches", "shape") {
            let others =
                architecture.embedding["positions"] == nil ? "other sizes too" : "other sizes by interpolated positions"
            lines.append(("images", "\(image), in patches of \(patch); \(others)"))
            let windows = numbers { $0["mixer"]?["windows"]?["size"] }
            if windows.contains(where: { $0 > 0 }) {
                let mergings = architecture.blocks.indices.filter { architecture.blocks[$0].endsStage }
                lines.append(("windows", "\(perLayer(windows)); patches merge after layers \(mergings.map { $0 + 1 })"))
            }
        } else {
            lines.append(("vocabulary", (rows("tokens") ?? 0).grouped))
            lines.append(("longest sequence", maximumTokens?.grouped ?? "any"))
            lines.append(("texts are cut to", textTokens.map { "\($0.grouped) tokens" } ?? "nothing"))
        }
        lines += [
            ("vectors", "\(outputDimensions.grouped) dimensions, compared by \(sentence.similarity.rawValue)"),
            ("made by", steps.joined(separator: ", then ")),
        ]
        for prompt in sentence.prompts {
            let isDefault = prompt.name == sentence.defaultPromptName
            lines.append(("prompt", "\(prompt.name.printable)\(isDefault ? " (default)" : ""): \(prompt.text.quoted)"))
        }
        for kind in headKinds {
            let labels = kind == architecture.defaultHead ? architecture.labels.map(\.printable) : []
            let shown = labels.prefix(12).joined(separator: ", ") + (labels.count > 12 ? ", ..." : "")
            lines.append(("head", kind.name + (labels.isEmpty ? "" : ": \(labels.count) labels: \(shown)")))
        }
        switch tokenizer {
        case .success(let tokenizer?): lines.append(("tokenizer", "\(tokenizer.vocabularySize.grouped) tokens"))
        case .success(nil): lines.append(("tokenizer", "none"))
        case .failure(let failure): lines.append(("tokenizer", "cannot be read: \(failure.message.printable)"))
        }
        for file in files { lines.append(("file", "\(file.name.printable), \(file.bytes.asBytes)")) }
        return lines
    }

    /// The facts for programs, by the names of `nestling_model_describe` where that has them.
    var json: JSON {
        func integers(_ values: [Int]) -> JSON { .array(values.map { .integer($0) }) }
        func optional(_ value: Int?) -> JSON { value.map { .integer($0) } ?? .null }
        var object = JSONObject()
        object["family"] = .string(architecture.family)
        object["layers"] = .integer(architecture.blocks.count)
        object["hidden_size"] = .integer(architecture.hiddenSize)
        object["output_dimensions"] = .integer(outputDimensions)
        object["vocabulary_size"] = .integer(rows("tokens") ?? 0)
        object["token_types"] = .integer(rows("token_types") ?? 0)
        object["maximum_tokens"] = optional(maximumTokens)
        object["text_tokens"] = optional(textTokens)
        object["ffn_widths"] = integers(numbers("channel", "width"))
        object["heads"] = integers(numbers("mixer", "heads"))
        object["head_sizes"] = integers(numbers("mixer", "head_size"))
        object["stored_parameters"] = .integer(parameters)
        object["stored_bytes"] = .integer(weightBytes)
        object["stored_types"] = .array(types.map { .string($0) })
        object["pooling"] = .array(poolingNames.map { .string($0) })
        object["normalizes"] = .bool(normalizes)
        object["vector_steps"] = .array(steps.map { .string($0) })
        object["similarity"] = .string(sentence.similarity.rawValue)
        var prompts = JSONObject()
        for prompt in sentence.prompts { prompts[prompt.name] = .string(prompt.text) }
        object["prompts"] = .object(prompts)
        object["default_prompt_name"] = sentence.defaultPromptName.map { .string($0) } ?? .null
        object["output_heads"] = .array(headKinds.map { .string($0.name) })
        object["default_head"] = architecture.defaultHead.map { .string($0.name) } ?? .null
        object["labels"] = .array(architecture.labels.map { .string($0) })
        if case .success(let tokenizer) = tokenizer {
            object["tokenizer_vocabulary"] = optional(tokenizer?.vocabularySize)
        } else {
            object["tokenizer_vocabulary"] = .null
        }
        object["dtype"] = .string((description.settings.codec ?? .float32).rawValue)
        object["not_in_transformers"] = .array(description.settings.notInTransformers.map { .string($0) })
        object["files"] = .array(files.map { ["name": .string($0.name), "bytes": .integer($0.bytes)] })
        return .object(object)
    }
}
