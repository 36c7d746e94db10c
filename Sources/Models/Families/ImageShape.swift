import NestlingBasics

/// The sizes of images and patches, as the configs of vision families name them, and the embedding that they make.
struct ImageShape {
    /// Rows before the patches: a learned tensor.
    struct Token {
        let name: String
        let count: Int
        /// Whether a position is added.
        let hasPosition: Bool
        /// Dimensions before the last one.
        let leading: [Int]

        /// A tensor `[1, count, hidden]`, or of other dimensions before the last one.
        init(_ name: String, count: Int = 1, hasPosition: Bool = true, leading: [Int]? = nil) {
            self.name = name
            self.count = count
            self.hasPosition = hasPosition
            self.leading = leading ?? [1, count]
        }
    }

    /// The class token of the ViT family.
    static let classToken = Token("embeddings.cls_token")

    private let channels: Int
    private let image: [Int]
    private let patch: [Int]

    /// Reads `image_size`, `patch_size` (a number, or [height, width]) and `num_channels`; `patch` is the size that
    /// a config means that leaves it out.
    init(_ config: JSONFields, patch: Int = 16) throws(Failure) {
        channels = try config.size("num_channels", default: 3)
        image = try config.sides("image_size", default: 224)
        self.patch = try config.sides("patch_size", default: patch)
        guard image[0] >= self.patch[0], image[1] >= self.patch[1] else {
            throw Failure(.corrupt, "\(config.name): image_size \(image) has no room for a patch of \(self.patch)")
        }
    }

    /// The node of the embedding. `positions` is a tensor `[1, tokens, hidden]`; or `[tokens, hidden]` if `isTable`; `nil`: there
    /// are none. With `startsStages` zeros fill up patches at the edges, and positions come after the norm.
    func embedding(
        _ names: TensorNames, hidden: Int, patches: String, bias: Bool = true, positions: String?,
        isTable: Bool = false, prefix: [Token], antialias: Bool = false, norm: JSON? = nil, startsStages: Bool = false
    ) -> JSON {
        func tensor(_ name: String, _ shape: [Int]) -> JSONObject {
            var object = JSONObject()
            object["weight"] = .string(names.prefix + name)
            object["shape"] = .array((shape + [hidden]).map { .integer($0) })
            return object
        }
        var node = JSONObject()
        node["type"] = "patches"
        node["image"] = .array(image.map { .integer($0) })
        let kernel = [channels, patch[0], patch[1]]
        node["patches"] =
            LinearNode(
                weight: "\(names.prefix)\(patches).weight", bias: bias ? "\(names.prefix)\(patches).bias" : nil,
                rows: hidden, columns: kernel.reduce(1, *), innerShape: kernel
            ).json
        var parts: [JSON] = []
        var tokens = (image[0] / patch[0]) * (image[1] / patch[1])
        for token in prefix {
            var part = tensor(token.name, token.leading)
            part["position"] = .bool(token.hasPosition)
            parts.append(.object(part))
            if token.hasPosition { tokens += token.count }
        }
        node["prefix"] = .array(parts)
        if let positions { node["positions"] = .object(tensor(positions, isTable ? [tokens] : [1, tokens])) }
        if antialias { node["antialias"] = true }
        if let norm { node["norm"] = norm }
        if startsStages {
            node["fill_edges"] = true
            if positions != nil { node["positions_after_norm"] = true }
        }
        return .object(node)
    }
}

extension JSONFields {
    /// A size, or two: [height, width]. Their products fit.
    func sides(_ key: String, default fallback: Int) throws(Failure) -> [Int] {
        let limit = 1...65_536
        guard self[key]?.array != nil else {
            let side = try integer(key, in: limit, default: fallback)
            return [side, side]
        }
        let sides = try integers(key, in: limit)
        guard sides.count == 2 else { throw failure(key, "has \(sides.count) numbers; expected one or two") }
        return sides
    }
}
