import NestlingBasics

/// A stage that puts special tokens around the tokens of one or two texts.
protocol PostProcessor: Sendable {
    /// How many tokens it adds to one text, or to a pair.
    func addedTokens(isPair: Bool) -> Int
    /// Whether it takes white space off the offsets, for which encodings must carry ``Encoding/margins``.
    var trimsOffsets: Bool { get }
    /// Turns the encodings of `texts` into those that, appended to each other, are the result.
    ///
    /// - Throws: `outOfMemory` if they, or the parts that were cut off of them, would have many more tokens than `limit`.
    func process(
        _ encodings: [Encoding], of texts: [UnsafeBufferPointer<UInt8>], addSpecialTokens: Bool, limit: Int
    ) throws(Failure) -> [Encoding]
}

extension PostProcessor {
    var trimsOffsets: Bool { false }
}

/// The post-processors that can be read, by their names in tokenizer.json.
enum PostProcessors {
    static func read(_ json: Settings) throws(Failure) -> any PostProcessor {
        let read = try component(json)
        for isPair in [false, true] where read.addedTokens(isPair: isPair) > Limits.addedTokens {
            throw Failure(.unsupported, "\(json.path): adds more than \(Limits.addedTokens) special tokens to a text")
        }
        return read
    }

    private static func component(_ json: Settings) throws(Failure) -> any PostProcessor {
        switch try json.type(default: guess(json)) {
        case "BertProcessing": return try BertProcessing(json)
        case "RobertaProcessing": return try RobertaProcessing(json)
        case "ByteLevel": return try ByteLevelProcessing(json)
        case "TemplateProcessing": return try TemplateProcessing(json)
        case "Sequence":
            var parts: [any PostProcessor] = []
            for (index, part) in try json.array("processors").enumerated() {
                parts.append(try component(try Settings(part, path: "\(json.path("processors"))[\(index)]")))
            }
            return PostProcessorSequence(parts: parts)
        case let other: throw json.unsupported("post-processor", other)
        }
    }

    /// Old files leave the type out; it shows in the members.
    private static func guess(_ json: Settings) -> String? {
        guard json.has("sep"), json.has("cls") else { return nil }
        return json.has("trim_offsets") ? "RobertaProcessing" : "BertProcessing"
    }
}

extension Encoding {
    /// Throws if `encodings`, or the parts that were cut off of them, have more than `limit` tokens.
    static func check(_ encodings: [Encoding], limit: Int) throws(Failure) {
        let tokens = encodings.reduce(0) { $0 + $1.count }
        let cost = encodings.reduce(0) { $0 + $1.overflowCost }
        guard max(tokens, cost) <= limit else {
            throw Failure(
                .outOfMemory,
                "post-processing makes \(tokens) tokens, and parts that were cut off worth \(cost); at most \(limit) are "
                    + "possible for texts of this length")
        }
    }

    /// Puts `before` and `after` around the tokens, as special tokens, also in what was cut off.
    func wrapped(before: Int32, after: Int32, typeID: Int32) -> Encoding {
        var result = Encoding()
        result.append(id: before, typeID: typeID, special: true, offsets: 0..<0, word: -1, sequence: -1)
        result.appendTokens(of: self)
        result.append(id: after, typeID: typeID, special: true, offsets: 0..<0, word: -1, sequence: -1)
        result.overflowing = overflowing.map { $0.wrapped(before: before, after: after, typeID: typeID) }
        return result
    }

    /// Gives every token the type `typeID`; what was cut off keeps its own, as in the reference.
    mutating func setTypeIDs(_ typeID: Int32) { typeIDs = [Int32](repeating: typeID, count: count) }
}

extension Settings {
    /// A token with its id, written as an array of both.
    func tokenAndID(_ key: String) throws(Failure) -> Int32 {
        let pair = try array(key)
        guard pair.count == 2, pair[0].string != nil else { throw expected("an array of a token and its id", key) }
        return try Settings.id(pair[1], "\(path(key))[1]")
    }
}
