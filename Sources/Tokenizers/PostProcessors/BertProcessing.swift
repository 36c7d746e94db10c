import NestlingBasics

/// `[CLS] text [SEP]`, and for a pair `[CLS] text [SEP] pair [SEP]` with type 1 from the pair on.
struct BertProcessing: PostProcessor {
    let cls: Int32
    let sep: Int32

    /// Reads `post_processor` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        cls = try json.tokenAndID("cls")
        sep = try json.tokenAndID("sep")
    }

    /// A post-processor with these ids.
    init(cls: Int32, sep: Int32) {
        self.cls = cls
        self.sep = sep
    }

    func addedTokens(isPair: Bool) -> Int { isPair ? 3 : 2 }

    func process(
        _ encodings: [Encoding], of texts: [UnsafeBufferPointer<UInt8>], addSpecialTokens: Bool, limit: Int
    ) throws(Failure) -> [Encoding] {
        guard addSpecialTokens else { return encodings }
        return encodings.enumerated().map { index, encoding in
            index == 0
                ? encoding.wrapped(before: cls, after: sep, typeID: 0)
                : encoding.followed(by: sep, typeID: 1)
        }
    }
}

extension Encoding {
    /// Puts `after` behind the tokens, as a special token, also in what was cut off.
    func followed(by after: Int32, typeID: Int32) -> Encoding {
        var result = self
        result.append(id: after, typeID: typeID, special: true, offsets: 0..<0, word: -1, sequence: -1)
        result.overflowing = overflowing.map { $0.followed(by: after, typeID: typeID) }
        return result
    }
}
