public import NestlingBasics
import NestlingKernels
public import NestlingTensors

/// Multi-head attention as a combination: features (what happens to queries and keys before they meet), supports (which
/// pairs meet, with what bias) and a rule (how scores weigh values). In windows of images, patches of a window are brought
/// together first and put back after.
///
/// Queries `[rows, heads * headSize]`, keys and values `[rows, keyHeads * headSize]`; heads lie side by side. The first
/// `n` heads are a prefix of the outputs of the three projections and of the inputs of the last (head nesting).
public struct Attention: Mixer {
    public let heads: Int
    private let keyHeads: Int
    private let headSize: Int
    private let scale: Float
    private let query: any Linear
    private let key: (any Linear)?
    private let value: (any Linear)?
    private let output: any Linear
    private let features: [any Feature]
    private let supports: [any Support]
    private let rule: any Rule
    public let windows: ImageWindows?
    public let sharing: KeySharing?

    /// Reads `{"heads", "key_heads"?, "head_size", "scale"?, "hidden_size", "query", "key", "value", "output",
    /// "features"?, "supports"?, "rule"?, "windows"?, "gives_keys"?}`; the default scale is `1 / sqrt(head_size)`, the default
    /// support all pairs. With `"takes_keys"` there are no `"key"` and `"value"`: they are those of the layer before that gives
    /// them under this name, as they are when they meet.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        let hidden = try fields.integer("hidden_size", in: 1...Int.max)
        heads = try fields.integer("heads", in: 1...65536)
        keyHeads = try fields.integer("key_heads", in: 1...65536, default: heads)
        headSize = try fields.integer("head_size", in: 1...65536)
        guard heads % keyHeads == 0 else {
            throw Failure(.corrupt, "\(fields.name): \(heads) heads cannot share \(keyHeads) key heads evenly")
        }
        scale = Float(try fields.number("scale", default: 1 / Double(headSize).squareRoot()))
        query = try fields.linear("query", outputs: heads * headSize, inputs: hidden, weights)
        if let name = try fields.optionalString("takes_keys") {
            sharing = .takes(name)
            (key, value) = (nil, nil)
        } else {
            sharing = try fields.optionalString("gives_keys").map { .gives($0) }
            key = try fields.linear("key", outputs: keyHeads * headSize, inputs: hidden, weights)
            value = try fields.linear("value", outputs: keyHeads * headSize, inputs: hidden, weights)
        }
        output = try fields.linear("output", outputs: hidden, inputs: heads * headSize, weights)
        features = try fields.parts("features", Registry.features, weights, kind: "feature")
        supports = try fields.parts("supports", Registry.supports, weights, kind: "support")
        if let node = try fields.optionalObject("rule") {
            rule = try Registry.build(Registry.rules, node, weights, kind: "rule")
        } else {
            rule = Softmax()
        }
        windows = try fields.optionalObject("windows").map { fields throws(Failure) in try ImageWindows(fields) }
        guard windows == nil || features.isEmpty else {
            throw Failure(.unsupported, "\(fields.name).features: none goes with windows")
        }
        guard windows == nil || sharing == nil else {
            throw Failure(.unsupported, "\(fields.name): keys of windows cannot be shared")
        }
        for feature in features where feature.size > headSize {
            throw Failure(
                .corrupt, "\(fields.name).features: needs heads of \(feature.size) elements, they have \(headSize)")
        }
        for support in supports {
            guard support.windowSize == nil || support.windowSize == windows?.size else {
                throw Failure(
                    .corrupt,
                    "\(fields.name).supports: a bias is for windows of \(support.windowSize ?? 0), found \(windows.map { "\($0.size)" } ?? "none")"
                )
            }
            if let known = support.heads, known < heads {
                throw Failure(.corrupt, "\(fields.name).supports: knows \(known) heads, there are \(heads)")
            }
        }
    }

    private init(_ whole: Attention, heads: Int) {
        // Whole groups, so that every kept query still finds its key head.
        keyHeads = (heads + whole.headStep - 1) / whole.headStep
        self.heads = keyHeads * whole.headStep
        headSize = whole.headSize
        scale = whole.scale
        query = whole.query.prefix(outputs: self.heads * headSize, inputs: whole.query.inputs)
        let keySize = keyHeads * headSize
        key = whole.key.map { $0.prefix(outputs: keySize, inputs: $0.inputs) }
        value = whole.value.map { $0.prefix(outputs: keySize, inputs: $0.inputs) }
        output = whole.output.prefix(outputs: whole.output.outputs, inputs: self.heads * headSize)
        features = whole.features
        supports = whole.supports
        rule = whole.rule
        windows = whole.windows
        sharing = whole.sharing
    }

    private var projections: [any Linear] { [query, key, value, output].compactMap { $0 } }
    public var parameters: Int {
        let own = projections.reduce(0) { $0 + $1.parameters }
        return features.reduce(own) { $0 + $1.parameters }
    }
    public var multiplyAddsPerPair: Int { 2 * heads * headSize }
    public var multiplyAddsPerToken: Int { projections.reduce(0) { $0 + $1.multiplyAdds } }
    public var keptMultiplyAddsPerToken: Int { [key, value].reduce(0) { $0 + ($1?.multiplyAdds ?? 0) } }
    public var radius: Int? { supports.compactMap(\.radius).min() }
    public var isCausal: Bool { supports.contains(where: \.isCausal) }
    /// In windows keys lie in another order, with others among them, than reducers could use; shared ones are for all tokens.
    public var metricSize: Int? { windows == nil && sharing == nil ? headSize : nil }
    public var headStep: Int { heads / keyHeads }
    public var cacheLayer: CacheLayout.Layer? {
        CacheLayout.Layer(
            keyHeads: keyHeads, headSize: headSize, radius: radius,
            shortTokens: features.compactMap(\.shortTokens).min())
    }

    public func keeping(heads: Int) -> any Mixer { Attention(self, heads: min(heads, self.heads)) }

    public func workspaceFloats(_ extent: StreamExtent) -> Int {
        let rows = windows?.rows(extent) ?? extent.rows
        let queries = Workspace.spreadFloats(rows, heads * headSize)
        let keys = Workspace.spreadFloats(rows, keyHeads * headSize)
        return 2 * queries + 2 * keys + (windows == nil ? 0 : Workspace.spreadFloats(rows, query.inputs))
    }

    public func apply(_ input: Matrix, addingTo stream: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let layout = windows.map { $0.layout(of: context.grids) }
        let rows = layout?.rows ?? input.rows
        let queries = try context.workspace.takeSpread(rows, heads * headSize)
        let (keys, values) = try keysAndValues(rows, context)
        let mixed = try context.workspace.takeSpread(rows, heads * headSize)
        var arranged = input
        if let layout, !layout.isInOrder {
            arranged = try context.workspace.takeSpread(rows, input.columns)
            layout.arrange(input, into: arranged, threads: context.threads)
        }
        let keyProducts = context.isKept ? [] : keyProducts(keys, values)
        arranged.multiply([Product(query, output: queries)] + keyProducts, threads: context.threads)
        for feature in features {
            feature.apply(queries, as: .queries, heads: heads, headSize: headSize, context)
        }
        if !keyProducts.isEmpty { finish(keys, values, context) }
        if let keyMeans = context.signals?.keys {
            nk_merge_metric(
                keys.pointer, keys.stride, keys.rows, keyHeads, headSize, keyMeans.pointer, Int32(context.threads))
        }
        let meeting = Meeting(
            queries: queries, keys: keys, values: values, output: mixed, heads: heads, keyHeads: keyHeads,
            headSize: headSize, scale: scale, layout: layout, inputType: query.inputType)
        if let signals = context.signals, let weights = signals.attention {
            rule.weigh(
                meeting, supports, firstOnly: signals.wanted.contains(.firstTokenAttention), into: weights, context)
        }
        rule.mix(meeting, supports, context)
        var restored = mixed
        if let layout, !layout.isInOrder {
            // Queries have met: their memory is free.
            restored = queries.prefix(rows: stream.rows)
            layout.restore(mixed, into: restored, threads: context.threads)
        }
        restored.multiply(Product(output, residual: stream, output: stream), threads: context.threads)
        context.workspace.release(to: mark)
    }

    public func keptFloats(rows: Int) -> Int { 2 * Workspace.spreadFloats(rows, keyHeads * headSize) }

    public func keep(_ input: Matrix, _ context: ForwardContext) throws(Failure) {
        let (keys, values) = try keysAndValues(input.rows, context)
        let products = keyProducts(keys, values)
        if !products.isEmpty {
            input.multiply(products, threads: context.threads)
            finish(keys, values, context)
        }
        if context.cached.isEmpty { context.keptKeys = KeptKeys(keys: keys, values: values, context) }
    }

    /// What makes keys and values; nothing where they are another layer's.
    private func keyProducts(_ keys: Matrix, _ values: Matrix) -> [Product] {
        guard let key, let value else { return [] }
        return [Product(key, output: keys), Product(value, output: values)]
    }

    /// Makes of the products the keys and values that queries meet, and writes them to the cache, if there is one.
    private func finish(_ keys: Matrix, _ values: Matrix, _ context: ForwardContext) {
        for feature in features {
            feature.apply(keys, as: .keys, heads: keyHeads, headSize: headSize, context)
            feature.apply(values, as: .values, heads: keyHeads, headSize: headSize, context)
        }
        context.cache(keys: keys, values: values, heads: keyHeads, headSize: headSize)
    }

    /// Where the keys and values are, or will be: in the workspace, with those that layers share or with those that are kept of all
    /// rows, or, if they have been written to a cache, nowhere.
    private func keysAndValues(
        _ rows: Int, _ context: ForwardContext
    ) throws(Failure) -> (keys: Matrix, values: Matrix) {
        if let kept = context.keptKeys { return (kept.keys, kept.values) }
        switch sharing {
        case _ where context.isKept, .takes where !context.cached.isEmpty:
            let none = try context.workspace.take(0, keyHeads * headSize)
            return (none, none)
        case .takes(let name),
            .gives(let name) where context.cached.isEmpty:
            guard let shared = context.shared[name], shared.keys.rows == rows,
                shared.keys.columns >= keyHeads * headSize
            else { throw Failure(.internal, "no layer has given the keys \(name.quoted)") }
            return (shared.keys, shared.values)
        default:
            let keys = try context.workspace.takeSpread(rows, keyHeads * headSize)
            return (keys, try context.workspace.takeSpread(rows, keyHeads * headSize))
        }
    }
}
