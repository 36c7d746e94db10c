import NestlingBasics

/// A stage that rewrites text before it is cut into words. It sees one stretch of text between added tokens at a time.
protocol Normalizer: Sendable {
    /// Rewrites `text` and keeps track of where each character came from. Text that would pass its limit is marked as too
    /// long; then it does not matter what it says.
    func normalize(_ text: inout AlignedText) throws(Failure)
}

/// The normalizers that can be read, by their names in tokenizer.json.
enum Normalizers {
    static func read(_ json: Settings) throws(Failure) -> any Normalizer {
        switch try json.type() {
        case "BertNormalizer": return try BertNormalizer(json)
        case "NFC": return UnicodeNormalizer(compatible: false, composed: true)
        case "NFD": return UnicodeNormalizer(compatible: false, composed: false)
        case "NFKC": return UnicodeNormalizer(compatible: true, composed: true)
        case "NFKD": return UnicodeNormalizer(compatible: true, composed: false)
        case "Lowercase": return LowercaseNormalizer()
        case "Strip":
            return StripNormalizer(
                left: try json.bool("strip_left", default: true), right: try json.bool("strip_right", default: true))
        case "StripAccents": return StripAccentsNormalizer()
        case "Replace": return try ReplaceNormalizer(json)
        case "Prepend": return PrependNormalizer(prefix: Array(try json.string("prepend").utf8))
        case "Precompiled": return try PrecompiledNormalizer(json)
        case "Nmt": return NmtNormalizer()
        case "ByteLevel": return ByteLevelNormalizer()
        case "Sequence":
            var parts: [any Normalizer] = []
            for (index, part) in try json.array("normalizers").enumerated() {
                parts.append(try read(try Settings(part, path: "\(json.path("normalizers"))[\(index)]")))
            }
            return NormalizerSequence(parts: parts)
        case let other: throw json.unsupported("normalizer", other)
        }
    }
}
