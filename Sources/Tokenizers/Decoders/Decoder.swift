import NestlingBasics

/// A stage that turns tokens back into text. It sees the tokens of the whole text, because what becomes of one depends
/// on its neighbours.
protocol Decoder: Sendable {
    /// Rewrites the tokens; joined, they are the text.
    ///
    /// - Throws: `outOfMemory` if the result would have more than `limit` bytes and may be many times as long as the
    ///   tokens; `unsupported` if a regular expression takes too long on them.
    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]]
}

/// A decoder that sees each token alone and makes no more bytes of it than it has: needs no array for each token.
protocol TokenwiseDecoder: Decoder {
    /// Appends what becomes of a token. What is not UTF-8 in the end is repaired by the caller.
    func append(_ token: UnsafeBufferPointer<UInt8>, to text: inout [UInt8])
}

/// The decoders that can be read, by their names in tokenizer.json.
enum Decoders {
    static func read(_ json: Settings) throws(Failure) -> any Decoder {
        switch try json.type() {
        case "WordPiece": return try WordPieceDecoder(json)
        case "BPEDecoder": return BPEDecoder(suffix: Array(try json.string("suffix", default: "</w>").utf8))
        case "ByteLevel": return ByteLevelDecoder()
        case "Metaspace":
            let settings = try MetaspacePreTokenizer(json)
            return MetaspaceDecoder(mark: settings.replacement, dropsFirst: settings.prepending != .never)
        case "CTC": return try CTCDecoder(json)
        case "Replace": return ReplaceDecoder(normalizer: try ReplaceNormalizer(json))
        case "Fuse": return FuseDecoder()
        case "Strip": return try StripDecoder(json)
        case "ByteFallback": return ByteFallbackDecoder()
        case "Sequence":
            var parts: [any Decoder] = []
            for (index, part) in try json.array("decoders").enumerated() {
                parts.append(try read(try Settings(part, path: "\(json.path("decoders"))[\(index)]")))
            }
            return DecoderSequence(parts: parts)
        case let other: throw json.unsupported("decoder", other)
        }
    }
}
