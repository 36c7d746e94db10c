import Basics

/// Tokens at the ends of a sequence that neither merge nor are merged into nor pruned.
public struct Protection: Sendable, Equatable {
    /// How many at the beginning.
    public let first: Int
    /// How many at the end.
    public let last: Int

    /// Reads `"protect"`: `"special"` (the first and the last), `"first"`, `"last"`, `"none"`, or `[leading, trailing]`.
    init(_ fields: JSONFields, default fallback: String = "special") throws(Failure) {
        if let pair = fields["protect"]?.array {
            let counts = pair.compactMap { $0.int }.filter { (0...65536).contains($0) }
            guard pair.count == 2, counts.count == 2 else {
                throw Failure(
                    .invalidArgument, "\(fields.name): \"protect\" must hold two whole numbers: leading, trailing")
            }
            (first, last) = (counts[0], counts[1])
            return
        }
        let protect = try fields.string("protect", default: fallback)
        switch protect {
        case "special": (first, last) = (1, 1)
        case "first": (first, last) = (1, 0)
        case "last": (first, last) = (0, 1)
        case "none": (first, last) = (0, 0)
        default:
            throw Failure(
                .invalidArgument,
                "\(fields.name): protect \(protect.quoted) is not known; known are special, first, last, none, [leading, trailing]"
            )
        }
    }

    /// The tokens of a sequence of `count` that are not protected.
    func free(_ count: Int) -> Range<Int> {
        let start = min(first, count)
        return start..<max(start, count - last)
    }
}
