import NestlingBasics

/// How an encoding is cut to a number of tokens.
public struct Truncation: Sendable, Equatable {
    /// Which text of a pair is cut.
    public enum Strategy: String, Sendable {
        /// The longer one, until both fit.
        case longestFirst = "LongestFirst"
        /// The first one only.
        case onlyFirst = "OnlyFirst"
        /// The second one only.
        case onlySecond = "OnlySecond"
    }

    /// Which end is cut off.
    public enum Direction: String, Sendable {
        /// The beginning.
        case left = "Left"
        /// The end.
        case right = "Right"
    }

    /// How many tokens are left at most, special ones included.
    public var maximumTokens: Int
    /// How many tokens the parts in ``Encoding/overflowing`` share with their neighbours.
    public var stride: Int
    /// Which text of a pair is cut.
    public var strategy: Strategy
    /// Which end is cut off.
    public var direction: Direction

    /// Cuts to `maximumTokens`.
    public init(
        maximumTokens: Int, stride: Int = 0, strategy: Strategy = .longestFirst, direction: Direction = .right
    ) {
        self.maximumTokens = maximumTokens
        self.stride = stride
        self.strategy = strategy
        self.direction = direction
    }

    /// Reads `truncation` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        maximumTokens = try json.count("max_length")
        stride = try json.count("stride", default: 0)
        guard let strategy = Strategy(rawValue: try json.string("strategy", default: "LongestFirst")) else {
            throw json.expected("LongestFirst, OnlyFirst or OnlySecond", "strategy")
        }
        guard let direction = Direction(rawValue: try json.string("direction", default: "Right")) else {
            throw json.expected("Left or Right", "direction")
        }
        self.strategy = strategy
        self.direction = direction
    }

    /// Cuts `encodings`, one or two, so that with `added` special tokens they have no more than ``maximumTokens``.
    ///
    /// - Parameters:
    ///   - keepsOverflow: Whether what is cut off is kept in ``Encoding/overflowing``.
    ///   - limit: What the parts of one text that are cut off may cost; see ``Encoding/overflowCost``.
    func cut(_ encodings: inout [Encoding], added: Int, keepsOverflow: Bool, limit: Int) throws(Failure) {
        func cut(_ encoding: inout Encoding, to maximum: Int) throws(Failure) {
            try self.cut(&encoding, to: maximum, limit: keepsOverflow ? limit : nil)
        }
        guard maximumTokens >= added else {
            throw Failure(.invalidArgument, "cannot cut to \(maximumTokens) tokens: \(added) special tokens are added")
        }
        guard stride >= 0 else { throw Failure(.invalidArgument, "the stride \(stride) is negative") }
        let room = maximumTokens - added
        let total = encodings.reduce(0) { $0 + $1.count }
        if total <= room { return }
        if room == 0 {
            for index in encodings.indices { try cut(&encodings[index], to: 0) }
            return
        }
        switch strategy {
        case .longestFirst:
            guard encodings.count == 2 else { return try cut(&encodings[0], to: room) }
            let first = encodings[0].count
            let second = encodings[1].count
            var (short, long) = (min(first, second), 0)
            long = short > room ? short : max(short, room - short)
            if short + long > room {
                short = room / 2
                long = short + room % 2
            }
            let isSwapped = first > second
            try cut(&encodings[0], to: isSwapped ? long : short)
            try cut(&encodings[1], to: isSwapped ? short : long)
        case .onlyFirst, .onlySecond:
            let target = strategy == .onlyFirst ? 0 : 1
            guard target < encodings.count else {
                throw Failure(.invalidArgument, "truncation of the second text only, but there is no second text")
            }
            let left = encodings[target].count - (total - room)
            guard left > 0 else {
                throw Failure(.invalidArgument, "the text to cut is too short to leave \(maximumTokens) tokens")
            }
            try cut(&encodings[target], to: left)
        }
    }

    /// Cuts one text; without a limit what is cut off is dropped.
    private func cut(_ encoding: inout Encoding, to maximum: Int, limit: Int?) throws(Failure) {
        let count = encoding.count
        if maximum >= count { return }
        if maximum == 0 {
            var empty = Encoding()
            if limit != nil { empty.overflowing = [encoding] }
            encoding = empty
            return
        }
        guard stride < maximum else {
            throw Failure(
                .invalidArgument, "the stride \(stride) must be less than the \(maximum) tokens that are left")
        }
        guard let limit else {
            encoding = encoding.part(direction == .right ? 0..<maximum : count - maximum..<count)
            return
        }
        let step = maximum - stride
        // Parts behind the first: all but the last have `maximum` tokens.
        let cutOff = (count - maximum - 1) / step + 1
        let (tokens, isTooLarge) = (cutOff - 1).multipliedReportingOverflow(by: maximum)
        let (cost, overflows) = tokens.addingReportingOverflow(count - cutOff * step + Limits.partCost * cutOff)
        guard !isTooLarge, !overflows, cost <= limit else {
            throw Failure(
                .outOfMemory,
                "cutting \(count) tokens into parts of \(maximum) that share \(stride) makes \(cutOff) parts more, too much "
                    + "for the limit of \(limit) tokens: lower the stride, keep more tokens, or no parts")
        }
        var parts: [Range<Int>] = []
        switch direction {
        case .right:
            var start = 0
            while true {
                parts.append(start..<min(start + maximum, count))
                if start + maximum >= count { break }
                start += step
            }
        case .left:
            var end = count
            while true {
                parts.append(max(0, end - maximum)..<end)
                if end <= maximum { break }
                end -= step
            }
        }
        var result = encoding.part(parts[0])
        result.overflowing = parts.dropFirst().map { encoding.part($0) }
        encoding = result
    }
}

/// The padding that a tokenizer.json asks for. Nothing here pads: batches are ragged.
public struct Padding: Sendable, Equatable {
    /// Id of the padding token.
    public var id: Int32
    /// Token type id of the padding token.
    public var typeID: Int32
    /// The padding token.
    public var token: String
    /// The length that every encoding gets; nil for that of the longest one in a batch.
    public var length: Int?
    /// Whether padding goes to the left.
    public var isLeft: Bool
    /// A number that lengths are rounded up to multiples of; nil: they are not.
    public var multiple: Int?

    /// Reads `padding` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        id = try Settings.id(json.value("pad_id") ?? .integer(0), json.path("pad_id"))
        typeID = try Settings.id(json.value("pad_type_id") ?? .integer(0), json.path("pad_type_id"))
        token = try json.string("pad_token", default: "[PAD]")
        length = json.value("strategy")?["Fixed"]?.int
        isLeft = json.value("direction")?.string == "Left"
        multiple = json.value("pad_to_multiple_of")?.int
    }
}
