import NestlingBasics

/// Texts and special tokens in an order that the file spells out, with a token type for each part.
struct TemplateProcessing: PostProcessor {
    /// A text, or special tokens.
    enum Part: Sendable {
        case text(Int, typeID: Int32)
        case special([Int32], typeID: Int32)
    }

    private let single: [Part]
    private let pair: [Part]

    /// Reads `post_processor` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        let known = try json.settings("special_tokens")
        var special: [String: [Int32]] = [:]
        for (name, value) in known.object.members {
            let entry = try Settings(value, path: known.path(name))
            var ids: [Int32] = []
            for id in try entry.array("ids") { ids.append(try Settings.id(id, entry.path("ids"))) }
            special[name] = ids
        }
        single = try Self.parts(json, "single", special, texts: 1)
        pair = try Self.parts(json, "pair", special, texts: 2)
    }

    /// The parts of one text and of two; a text is number 0 or 1.
    init(single: [Part], pair: [Part]) { (self.single, self.pair) = (single, pair) }

    /// Puts `prefix` before and `suffix` behind each of two texts.
    init(prefix: [Int32], suffix: [Int32], typeOfSecond: Int32) {
        single = [.special(prefix, typeID: 0), .text(0, typeID: 0), .special(suffix, typeID: 0)]
        pair =
            single + [
                .special(prefix, typeID: typeOfSecond), .text(1, typeID: typeOfSecond),
                .special(suffix, typeID: typeOfSecond),
            ]
    }

    private static func parts(
        _ json: Settings, _ key: String, _ special: [String: [Int32]], texts: Int
    ) throws(Failure) -> [Part] {
        var parts: [Part] = []
        for (index, value) in try json.array(key).enumerated() {
            let part = try Settings(value, path: "\(json.path(key))[\(index)]")
            if part.has("Sequence") {
                let text = try part.settings("Sequence")
                let number = ["A": 0, "B": 1][try text.string("id")]
                guard let number, number < texts else {
                    throw text.expected(texts == 1 ? "\"A\"" : "\"A\" or \"B\"", "id")
                }
                parts.append(.text(number, typeID: try typeID(text)))
            } else {
                let token = try part.settings("SpecialToken")
                guard let ids = special[try token.string("id")] else {
                    throw token.expected("a name in special_tokens", "id")
                }
                parts.append(.special(ids, typeID: try typeID(token)))
            }
        }
        return parts
    }

    private static func typeID(_ json: Settings) throws(Failure) -> Int32 {
        try Settings.id(json.value("type_id") ?? .integer(0), json.path("type_id"))
    }

    func addedTokens(isPair: Bool) -> Int {
        (isPair ? pair : single).reduce(0) { sum, part in
            if case .special(let ids, _) = part { min(sum + ids.count, Limits.addedTokens + 1) } else { sum }
        }
    }

    func process(
        _ encodings: [Encoding], of texts: [UnsafeBufferPointer<UInt8>], addSpecialTokens: Bool, limit: Int
    ) throws(Failure) -> [Encoding] {
        var named: [Encoding] = []
        for case .text(let number, _) in encodings.count == 2 ? pair : single where number < encodings.count {
            named.append(encodings[number])
        }
        try Encoding.check(named, limit: limit)
        var result: [Encoding] = []
        for part in encodings.count == 2 ? pair : single {
            switch part {
            case .text(let number, let typeID):
                guard number < encodings.count else { continue }
                var encoding = encodings[number]
                encoding.setTypeIDs(typeID)
                result.append(encoding)
            case .special(let ids, let typeID):
                guard addSpecialTokens else { continue }
                var encoding = Encoding()
                for id in ids {
                    encoding.append(id: id, typeID: typeID, special: true, offsets: 0..<0, word: -1, sequence: -1)
                }
                result.append(encoding)
            }
        }
        return result
    }
}
