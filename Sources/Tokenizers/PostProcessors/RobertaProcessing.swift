import NestlingBasics

/// `<s> text </s>`, and for a pair `<s> text </s></s> pair </s>`, all of type 0.
struct RobertaProcessing: PostProcessor {
    let cls: Int32
    let sep: Int32
    let trimsOffsets: Bool
    let addPrefixSpace: Bool

    /// Reads `post_processor` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        cls = try json.tokenAndID("cls")
        sep = try json.tokenAndID("sep")
        trimsOffsets = try json.bool("trim_offsets", default: true)
        addPrefixSpace = try json.bool("add_prefix_space", default: true)
    }

    /// A post-processor with these settings.
    init(cls: Int32, sep: Int32, trimsOffsets: Bool, addPrefixSpace: Bool) {
        self.cls = cls
        self.sep = sep
        self.trimsOffsets = trimsOffsets
        self.addPrefixSpace = addPrefixSpace
    }

    func addedTokens(isPair: Bool) -> Int { isPair ? 4 : 2 }

    func process(
        _ encodings: [Encoding], of texts: [UnsafeBufferPointer<UInt8>], addSpecialTokens: Bool, limit: Int
    ) throws(Failure) -> [Encoding] {
        encodings.enumerated().map { index, encoding in
            var encoding = encoding
            if trimsOffsets { encoding.trimOffsets(in: texts, keepsAddedSpace: addPrefixSpace) }
            encoding.setTypeIDs(0)
            guard addSpecialTokens else { return encoding }
            for part in encoding.overflowing.indices { encoding.overflowing[part].setTypeIDs(0) }
            return encoding.wrapped(before: index == 0 ? cls : sep, after: sep, typeID: 0)
        }
    }
}
