import NestlingBasics

/// Tokens at the ends of a sequence.
public struct SpecialTokens: Sendable, Equatable {
    /// How many at the beginning.
    public let first: Int
    /// How many at the end.
    public let last: Int

    public init(first: Int, last: Int) { (self.first, self.last) = (first, last) }

    /// Those that are among any of `parts`; `nil` if one of these is: all tokens.
    public init?(all parts: [SpecialTokens?]) {
        let known = parts.compactMap { $0 }
        guard known.count == parts.count else { return nil }
        self.init(first: known.map(\.first).max() ?? 0, last: known.map(\.last).max() ?? 0)
    }

    /// What tokenizers put around a text.
    public static let ofTexts = SpecialTokens(first: 1, last: 1)

    /// They themselves, in a sequence of `count`.
    func tokens(of count: Int) -> [Int] {
        let others = between(count)
        return Array(0..<others.lowerBound) + Array(others.upperBound..<count)
    }

    /// The tokens of a sequence of `count` between them.
    func between(_ count: Int) -> Range<Int> {
        let start = min(first, count)
        return start..<max(start, count - last)
    }
}

/// Tokens that neither merge nor are merged into nor pruned.
enum Protection: Sendable, Equatable {
    /// Those that are special in the network.
    case special
    /// So many.
    case ends(SpecialTokens)

    /// Reads `"protect"`: `"special"`, `"first"`, `"last"`, `"none"`, or `[leading, trailing]`.
    init(_ fields: JSONFields) throws(Failure) {
        if let pair = fields["protect"]?.array {
            let counts = pair.compactMap { $0.int }.filter { (0...65536).contains($0) }
            guard pair.count == 2, counts.count == 2 else {
                throw Failure(
                    .invalidArgument, "\(fields.name): \"protect\" must hold two whole numbers: leading, trailing")
            }
            self = .ends(SpecialTokens(first: counts[0], last: counts[1]))
            return
        }
        let protect = try fields.string("protect", default: "special")
        switch protect {
        case "special": self = .special
        case "first": self = .ends(SpecialTokens(first: 1, last: 0))
        case "last": self = .ends(SpecialTokens(first: 0, last: 1))
        case "none": self = .ends(SpecialTokens(first: 0, last: 0))
        default:
            throw Failure(
                .invalidArgument,
                "\(fields.name): protect \(protect.quoted) is not known; known are special, first, last, none, [leading, trailing]"
            )
        }
    }

    /// Whether the first token is protected, as far as is known without a network.
    var includesFirst: Bool {
        switch self {
        case .special: true
        case .ends(let tokens): tokens.first > 0
        }
    }

    /// The tokens of a sequence of `count` that are not protected in a network whose special tokens are `special`.
    func free(_ count: Int, _ special: SpecialTokens) -> Range<Int> {
        switch self {
        case .special: special.between(count)
        case .ends(let tokens): tokens.between(count)
        }
    }
}
