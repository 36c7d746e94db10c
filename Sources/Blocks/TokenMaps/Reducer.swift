public import NestlingBasics
public import NestlingTensors

/// Anything that shortens a sequence inside the network: decides, for one sequence at one layer, which tokens become one and
/// which go. A block shortens its sequences after its first mixer (with residual and norm), before what follows it.
public protocol Reducer: Sendable {
    /// Whether attention of later layers adds `log(size)` to each key's score (proportional attention).
    var isProportional: Bool { get }

    /// What it wants to know of a layer: attention computes only that.
    var signals: Signals { get }

    /// Whether its maps may leave tokens out.
    var prunes: Bool { get }

    /// Whether its maps may be many-to-many.
    var mixes: Bool { get }

    /// How attention of long sequences is approximated; `nil`: not at all.
    var keyPooling: KeyPooling? { get }

    /// The tokens, of a sequence of `count`, that its maps may change or leave out; the others keep their bits.
    func changeable(_ count: Int, _ special: SpecialTokens) -> Range<Int>

    /// How many tokens remain after each layer of a network, of a sequence that begins with `tokens`: numbers that never rise.
    /// Known without running anything.
    func remainingTokens(_ tokens: Int, in outline: NetworkOutline) -> [Int]

    /// Multiply-adds of deciding what becomes of `count` tokens, and of joining them where that is a product, signals not
    /// counted.
    func multiplyAdds(_ count: Int, remaining: Int, keySize: Int, hiddenSize: Int) -> Double

    /// Floats of memory that ``map(_:remaining:threads:)`` takes besides a few for each token.
    func mapFloats(_ count: Int, remaining: Int, keySize: Int) throws(Failure) -> Int

    /// The map of one sequence that leaves `remaining` rows, or `nil` if all stay. Whatever the signals hold, infinities and
    /// not-a-numbers included, it gives a map of so many rows.
    func map(_ tokens: LayerTokens, remaining: Int, threads: Int) throws(Failure) -> TokenMap?
}

extension Reducer {
    public var prunes: Bool { false }
    public var mixes: Bool { false }
    public var keyPooling: KeyPooling? { nil }
    public func changeable(_ count: Int, _ special: SpecialTokens) -> Range<Int> { 0..<count }

    /// Whether it leaves the given tokens of a sequence of `count` as they are, and asks of attention nothing but keys.
    func leaves(_ tokens: [Int], of count: Int, _ special: SpecialTokens) -> Bool {
        signals.isSubset(of: .keys) && !tokens.contains(where: changeable(count, special).contains)
    }

    public func multiplyAdds(_ count: Int, remaining: Int, keySize: Int, hiddenSize: Int) -> Double { 0 }
    public func mapFloats(_ count: Int, remaining: Int, keySize: Int) throws(Failure) -> Int { 0 }

    /// Floats of memory that maps of a sequence of `tokens` take at most at a time: those of a layer, and their product with
    /// all before, old and new.
    public func mapFloats(tokens: Int, in outline: NetworkOutline) throws(Failure) -> Int {
        guard mixes else { return 0 }
        var most = 0
        var (count, product) = (tokens, 0)
        for (layer, left) in zip(outline.layers, remainingTokens(tokens, in: outline)) where left < count {
            let next = try tokens.multiplied(by: left, "token maps")
            let own = try mapFloats(count, remaining: left, keySize: layer.keySize)
            most = max(most, try own.added(to: product, "token maps").added(to: next, "token maps"))
            (count, product) = (left, next)
        }
        return most
    }

    /// ``remainingTokens(_:in:)`` of a network of which only the number of layers is known.
    public func remainingTokens(_ tokens: Int, layers: Int) -> [Int] {
        remainingTokens(tokens, in: NetworkOutline(layers: layers))
    }
}

/// What a reducer may ask of a layer's attention, for each token.
public struct Signals: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// The mean of its keys over heads as they enter the scores, scaled to length 1. Costs next to nothing.
    public static let keys = Signals(rawValue: 1)
    /// The weight with which the sequence's first token attends to it, mean over heads. Costs one query for each head.
    public static let firstTokenAttention = Signals(rawValue: 2)
    /// The mean over all queries and heads of the weights with which it is attended to. Costs the scores a second time:
    /// about half of the attention.
    public static let attentionReceived = Signals(rawValue: 4)

    /// Multiply-adds of getting them in `layer`, whose attention has half of ``NetworkOutline/Layer/pair`` for scores.
    public func multiplyAdds(_ layer: NetworkOutline.Layer, tokens: Int) -> Double {
        var sum = contains(.keys) ? layer.pair / 2 * Double(tokens) : 0
        if contains(.firstTokenAttention) { sum += layer.pair / 2 * Double(tokens) }
        if contains(.attentionReceived) { sum += layer.pair / 2 * layer.pairs(tokens) }
        return sum
    }
}

/// The tokens of one sequence at one layer, as a reducer sees them.
public struct LayerTokens {
    /// How many there are.
    public let count: Int
    /// The layer, from 0, and how many there are.
    public let layer: Int
    public let layers: Int
    /// Tokens at the ends that stand for no part of the sequence.
    public let special: SpecialTokens
    /// `[count, head size]`, if ``Signals/keys`` were asked for. The reducer may overwrite them.
    public let keys: Matrix?
    /// One number for each token, if one of the attention signals was asked for.
    public let attention: UnsafePointer<Float>?
    /// The order in which the reducer's last map wanted to see its new rows; `nil`: as they lie.
    public var order: [Int32]?

    public init(
        count: Int, layer: Int = 0, layers: Int = 1, special: SpecialTokens = .ofTexts, keys: Matrix? = nil,
        attention: UnsafePointer<Float>? = nil
    ) {
        self.count = count
        self.layer = layer
        self.layers = layers
        self.special = special
        self.keys = keys
        self.attention = attention
    }
}

/// Memory into which the next attention writes what was asked of it.
public struct LayerSignals {
    /// What was asked for.
    public let wanted: Signals
    /// `[rows, head size]`
    public let keys: Matrix?
    /// `[heads, rows]`: room for each head; what was asked for is then in the first row.
    public let attention: Matrix?

    /// Takes memory for `wanted` of `rows` rows from `workspace`.
    public init(
        _ wanted: Signals, rows: Int, metricSize: Int, heads: Int, from workspace: inout Workspace
    ) throws(Failure) {
        self.wanted = wanted
        keys = wanted.contains(.keys) ? try workspace.take(rows, metricSize) : nil
        attention =
            wanted.isDisjoint(with: [.firstTokenAttention, .attentionReceived])
            ? nil : try workspace.take(heads, rows)
    }

    /// Floats of workspace that they take.
    public static func floats(_ wanted: Signals, rows: Int, metricSize: Int, heads: Int) -> Int {
        (wanted.contains(.keys) ? Workspace.floats(rows, metricSize) : 0)
            + (wanted.isDisjoint(with: [.firstTokenAttention, .attentionReceived]) ? 0 : Workspace.floats(heads, rows))
    }

    /// What one sequence, the rows of `range`, has of them.
    func tokens(_ range: Range<Int>, layer: Int, layers: Int, _ special: SpecialTokens) -> LayerTokens {
        LayerTokens(
            count: range.count, layer: layer, layers: layers, special: special, keys: keys?.rows(range),
            attention: attention.map { UnsafePointer($0.pointer + range.lowerBound) })
    }
}
