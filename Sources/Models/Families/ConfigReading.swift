import NestlingBasics
import NestlingTensors

/// What the configs of the families have in common.
extension JSONFields {
    /// A size: at least 1, at most what fits a tensor.
    func size(_ key: String, default: Int? = nil) throws(Failure) -> Int {
        try integer(key, in: 1...16_777_216, default: `default`)
    }

    /// The sizes of all `layers` under `key`: a number for each, or one for all.
    func widths(_ key: String, layers: Int, default: Int) throws(Failure) -> [Int] {
        guard self[key]?.array != nil else {
            return Array(repeating: try size(key, default: `default`), count: layers)
        }
        let sizes = try integers(key, in: 1...16_777_216)
        guard sizes.count == layers else { throw failure(key, "has \(sizes.count) entries for \(layers) layers") }
        return sizes
    }

    /// The activation that `key` names, by its name in architectures.
    func activationName(_ key: String, default: String) throws(Failure) -> String {
        let text = try string(key, default: `default`)
        guard let activation = Activation(huggingFace: text) else {
            throw unsupported(key, "\(text.quoted) is not supported")
        }
        return activation.rawValue
    }

    /// The number of heads under `key`, of which `hidden` must be a multiple.
    func heads(_ key: String, hidden: Int, default: Int) throws(Failure) -> Int {
        let heads = try integer(key, in: 1...65536, default: `default`)
        guard hidden % heads == 0 else {
            throw Failure(.corrupt, "\(name): hidden size \(hidden) is not a multiple of \(key) \(heads)")
        }
        return heads
    }

    /// The number of labels: `num_labels`, or as many as `id2label` names, or 2.
    func labelCount() throws(Failure) -> Int {
        if let count = try optionalInteger("num_labels", in: 1...16_777_216) { return count }
        guard let labels = try optionalObject("id2label"), labels.object.count > 0 else { return 2 }
        return labels.object.count
    }

    /// Refuses configs that ask for what this family's blocks do not do.
    func require(_ key: String, isOneOf allowed: [String], default: String) throws(Failure) {
        let found = try string(key, default: `default`)
        if !allowed.contains(found) {
            throw Failure(
                .unsupported,
                "\(name): \(key) \(found.quoted) is not supported; supported is \(allowed.joined(separator: ", "))")
        }
    }

    /// A failure about `key`, which asks for what this library does not do.
    func unsupported(_ key: String, _ message: String) -> Failure {
        Failure(.unsupported, "\(name): \(key) \(message)")
    }

    /// Refuses weights that are not stored in floating point.
    func refuseQuantization() throws(Failure) {
        guard !contains("quantization_config") else {
            throw Failure(
                .unsupported,
                "\(name): quantization_config is not supported; weights must be stored in floating point")
        }
    }

    /// The base of rotary positions: `rope_parameters` (for `layerType`, if it tells layers apart), else key `legacy`.
    func ropeTheta(_ layerType: String?, legacy: String, default: Double) throws(Failure) -> Double {
        var parameters = try optionalObject("rope_parameters")
        if let layerType, let all = parameters { parameters = try all.optionalObject(layerType) }
        if let parameters {
            try parameters.require("rope_type", isOneOf: ["default"], default: "default")
            if let theta = try parameters.optionalNumber("rope_theta") { return theta }
        }
        if try optionalObject("rope_scaling") != nil {
            throw unsupported("rope_scaling", "is not supported for this family")
        }
        return try number(legacy, default: `default`)
    }
}
