import NestlingBasics

/// Adds nothing; takes the white space of byte-level tokens off their offsets.
struct ByteLevelProcessing: PostProcessor {
    let trimsOffsets: Bool
    let addPrefixSpace: Bool

    /// Reads `post_processor` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        trimsOffsets = try json.bool("trim_offsets", default: true)
        addPrefixSpace = try json.bool("add_prefix_space", default: true)
    }

    /// A post-processor with these settings.
    init(trimsOffsets: Bool, addPrefixSpace: Bool) {
        self.trimsOffsets = trimsOffsets
        self.addPrefixSpace = addPrefixSpace
    }

    func addedTokens(isPair: Bool) -> Int { 0 }

    func process(
        _ encodings: [Encoding], of texts: [UnsafeBufferPointer<UInt8>], addSpecialTokens: Bool, limit: Int
    ) throws(Failure) -> [Encoding] {
        guard trimsOffsets else { return encodings }
        return encodings.map { encoding in
            var encoding = encoding
            encoding.trimOffsets(in: texts, keepsAddedSpace: addPrefixSpace)
            return encoding
        }
    }
}

/// Several post-processors, one after the other.
struct PostProcessorSequence: PostProcessor {
    let parts: [any PostProcessor]

    var trimsOffsets: Bool { parts.contains { $0.trimsOffsets } }

    func addedTokens(isPair: Bool) -> Int {
        parts.reduce(0) { min($0 + $1.addedTokens(isPair: isPair), Limits.addedTokens + 1) }
    }

    func process(
        _ encodings: [Encoding], of texts: [UnsafeBufferPointer<UInt8>], addSpecialTokens: Bool, limit: Int
    ) throws(Failure) -> [Encoding] {
        var encodings = encodings
        for part in parts {
            encodings = try part.process(encodings, of: texts, addSpecialTokens: addSpecialTokens, limit: limit)
            try Encoding.check(encodings, limit: limit)
        }
        return encodings
    }
}
