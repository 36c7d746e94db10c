import NestlingBasics

extension SentenceTransformersSettings {
    private static let dimensions = 1...1 << 24

    /// Reads the chain of modules: a transformer, a pooling, and what may follow it.
    mutating func readModules(_ json: JSON, _ source: any FileSource) throws(Failure) {
        guard let modules = json.array, !modules.isEmpty else {
            throw Failure(.corrupt, "modules.json: expected an array of modules, found \(json.summary)")
        }
        // The width of the vector on its way, once it is known.
        var width: Int?
        for (position, module) in modules.enumerated() {
            let fields = try JSONFields(module, name: "modules.json: module \(position)")
            let type = try fields.string("type")
            let folder = try Self.folder(fields)
            let parts = type.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count > 1, parts.first == "sentence_transformers", let kind = parts.last else {
                throw fields.unsupported("type \(type.quoted) is code of its own, which is not run")
            }
            switch (kind, position) {
            case ("Transformer", 0):
                transformerFolder = folder
            case (_, 0):
                throw fields.unsupported(
                    "type \(type.quoted) is not supported as the first module; expected a Transformer")
            case ("Pooling", 1):
                width = try readPooling(folder, source)
            case ("Dropout", _):
                // Does something in training only.
                continue
            case ("Dense", _) where !pooling.isEmpty:
                let dense = try Self.dense(folder, source, width: width)
                width = dense.outputs
                steps.append(.dense(dense))
            case ("LayerNorm", _) where !pooling.isEmpty:
                let layer = try Self.requiredFields(folder, source)
                let dimension = try layer.integer("dimension", in: Self.dimensions)
                try layer.expect("dimension", dimension, width)
                steps.append(.layerNorm(folder: folder, dimension: dimension))
            case ("Normalize", _) where !pooling.isEmpty:
                if let config = try source.fields(join(folder, "config.json")) { try Self.refuseOtherFeatures(config) }
                steps.append(.normalize)
            default:
                throw fields.unsupported("type \(type.quoted) is not supported at this place")
            }
        }
    }

    /// The folder of a module, whose name a stranger chose.
    private static func folder(_ fields: JSONFields) throws(Failure) -> String {
        var folder = try fields.string("path", default: "")
        while folder.utf8.last == UInt8(ascii: "/"), folder.utf8.count > 1 { folder.removeLast() }
        guard folder.isEmpty || isContained(folder) else {
            throw fields.failure("path", "is \(folder.quoted), which is no name inside the directory")
        }
        return folder
    }

    private static func requiredFields(_ folder: String, _ source: any FileSource) throws(Failure) -> JSONFields {
        let name = join(folder, "config.json")
        guard let fields = try source.fields(name) else {
            throw Failure(.notFound, "\(source.path): \(name.quoted) is missing, which modules.json needs")
        }
        return fields
    }

    /// Reads the configuration of the pooling and returns the width of its output.
    private mutating func readPooling(_ folder: String, _ source: any FileSource) throws(Failure) -> Int {
        let fields = try Self.requiredFields(folder, source)
        let key = fields.contains("embedding_dimension") ? "embedding_dimension" : "word_embedding_dimension"
        let dimension = try fields.integer(key, in: Self.dimensions)
        pooledDimension = dimension
        includesPrompt = try fields.bool("include_prompt", default: true)
        if let mode = fields["pooling_mode"] {
            let names = mode.string != nil ? [try fields.string("pooling_mode")] : try fields.strings("pooling_mode")
            for name in names {
                guard let mode = PoolingMode(rawValue: name) else {
                    let known = PoolingMode.allCases.map(\.rawValue).joined(separator: ", ")
                    throw fields.unsupported("pooling_mode \(name.quoted) is unknown; known are \(known)")
                }
                pooling.append(mode)
            }
        } else {
            for mode in PoolingMode.allCases where try fields.bool(mode.switchKey, default: false) {
                pooling.append(mode)
            }
        }
        if pooling.isEmpty { pooling = [.mean] }
        guard pooling.count <= 64 else {
            throw fields.failure("pooling_mode", "has \(pooling.count) modes; expected at most 64")
        }
        return dimension * pooling.count
    }

    private static func dense(
        _ folder: String, _ source: any FileSource, width: Int?
    ) throws(Failure) -> VectorStep.Dense {
        let fields = try requiredFields(folder, source)
        try refuseOtherFeatures(fields)
        let inputs = try fields.integer("in_features", in: dimensions)
        try fields.expect("in_features", inputs, width)
        return VectorStep.Dense(
            folder: folder, inputs: inputs, outputs: try fields.integer("out_features", in: dimensions),
            hasBias: try fields.bool("bias", default: true), activation: try activation(fields),
            isResidual: try fields.bool("use_residual", default: false))
    }

    /// A dotted path of a Python class, such as `torch.nn.modules.activation.Tanh`.
    private static func activation(_ fields: JSONFields) throws(Failure) -> VectorStep.Activation {
        let path = try fields.string("activation_function", default: "torch.nn.modules.activation.Tanh")
        let parts = path.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count > 1, parts.first == "torch",
            let activation = VectorStep.Activation(rawValue: String(parts[parts.count - 1]))
        else {
            let known = VectorStep.Activation.allCases.map(\.rawValue).joined(separator: ", ")
            throw fields.unsupported("activation_function \(path.quoted) is unknown; known are torch's \(known)")
        }
        return activation
    }

    /// Modules may be told to work on other features than the sequence's vector, which only other model types need.
    private static func refuseOtherFeatures(_ fields: JSONFields) throws(Failure) {
        for key in ["module_input_name", "module_output_name"] {
            let feature = try fields.string(key, default: "sentence_embedding")
            guard feature == "sentence_embedding" else {
                throw fields.unsupported("\(key) \(feature.quoted) is not supported; expected \"sentence_embedding\"")
            }
        }
    }
}

extension JSONFields {
    fileprivate func unsupported(_ message: String) -> Failure { Failure(.unsupported, "\(name): \(message)") }

    fileprivate func expect(_ key: String, _ found: Int, _ expected: Int?) throws(Failure) {
        if let expected, found != expected {
            throw failure(key, "is \(found), but the module before gives \(expected) features")
        }
    }
}
