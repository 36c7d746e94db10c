import NestlingBasics

/// Which layers of a decoder attend to all tokens before them and which to a window.
struct LayerTypes {
    static let full = "full_attention"
    static let sliding = "sliding_attention"

    /// The type of each layer, as configs name it.
    let names: [String]
    /// Tokens that a sliding layer sees, itself included.
    let window: Int?

    /// Reads `layer_types`; `standard` is the type of a layer where the config does not list them.
    init(_ config: JSONFields, layers: Int, window: Int?, standard: (Int) -> String) throws(Failure) {
        names = try config.optionalStrings("layer_types") ?? (0..<layers).map(standard)
        guard names.count == layers else {
            throw Failure(.corrupt, "\(config.name): layer_types has \(names.count) entries for \(layers) layers")
        }
        for name in names where name != Self.full && name != Self.sliding {
            throw config.unsupported("layer_types", "\(name.quoted) is not supported")
        }
        guard window != nil || !names.contains(Self.sliding) else {
            throw Failure(.corrupt, "\(config.name): layer_types has sliding layers, but there is no sliding_window")
        }
        self.window = window
    }

    /// Layers that are all alike.
    init(all layers: Int, window: Int?) {
        names = Array(repeating: window == nil ? Self.full : Self.sliding, count: layers)
        self.window = window
    }

    /// Tokens that `layer` sees, itself included; `nil`: all before it.
    func window(_ layer: Int) -> Int? { names[layer] == Self.sliding ? window : nil }

    /// Writes the types of the kept `layers` to a config that lists them, or that has some rule for their index: `read` reads
    /// those of so many layers.
    static func keep(
        _ layers: [Int], in config: inout JSONObject, read: (JSONFields, Int) throws(Failure) -> LayerTypes
    ) {
        let count = config["layer_types"]?.array?.count ?? (layers.last ?? -1) + 1
        guard let types = try? read(JSONFields(config, name: "config.json"), count) else { return }
        config["layer_types"] = .array(layers.filter(types.names.indices.contains).map { .string(types.names[$0]) })
    }
}

extension JSONFields {
    /// `sliding_window`: tokens that a token sees, itself included; null: all.
    func slidingWindow(default: Int?) throws(Failure) -> Int? {
        if object["sliding_window"]?.isNull == true { return nil }
        return try optionalInteger("sliding_window", in: 1...Int(Int32.max)) ?? `default`
    }
}
