public import Basics
import Kernels
public import Tensors

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
    private let key: any Linear
    private let value: any Linear
    private let output: any Linear
    private let features: [any Feature]
    private let supports: [any Support]
    private let rule: any Rule
    public let windows: ImageWindows?

    /// Reads `{"heads", "key_heads"?, "head_size", "scale"?, "hidden_size", "query", "key", "value", "output",
    /// "features"?, "supports"?, "rule"?, "windows"?}`; the default scale is `1 / sqrt(head_size)`, the default support all pairs.
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
        key = try fields.linear("key", outputs: keyHeads * headSize, inputs: hidden, weights)
        value = try fields.linear("value", outputs: keyHeads * headSize, inputs: hidden, weights)
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
        key = whole.key.prefix(outputs: keyHeads * headSize, inputs: whole.key.inputs)
        value = whole.value.prefix(outputs: keyHeads * headSize, inputs: whole.value.inputs)
        output = whole.output.prefix(outputs: whole.output.outputs, inputs: self.heads * headSize)
        features = whole.features
        supports = whole.supports
        rule = whole.rule
        windows = whole.windows
    }

    public var parameters: Int {
        let projections = query.parameters + key.parameters + value.parameters + output.parameters
        return features.reduce(projections) { $0 + $1.parameters }
    }
    public var multiplyAddsPerPair: Int { 2 * heads * headSize }
    public var multiplyAddsPerToken: Int { [query, key, value, output].reduce(0) { $0 + $1.multiplyAdds } }
    public var radius: Int? { supports.compactMap(\.radius).min() }
    public var isCausal: Bool { supports.contains(where: \.isCausal) }
    /// In windows keys lie in another order, with others among them, than reducers could use.
    public var metricSize: Int? { windows == nil ? headSize : nil }
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
        let keys = try context.workspace.takeSpread(rows, keyHeads * headSize)
        let values = try context.workspace.takeSpread(rows, keyHeads * headSize)
        let mixed = try context.workspace.takeSpread(rows, heads * headSize)
        var arranged = input
        if let layout, !layout.isInOrder {
            arranged = try context.workspace.takeSpread(rows, input.columns)
            layout.arrange(input, into: arranged, threads: context.threads)
        }
        arranged.multiply(
            [Product(query, output: queries), Product(key, output: keys), Product(value, output: values)],
            threads: context.threads)
        for feature in features {
            feature.apply(queries, as: .queries, heads: heads, headSize: headSize, context)
            feature.apply(keys, as: .keys, heads: keyHeads, headSize: headSize, context)
        }
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
}
