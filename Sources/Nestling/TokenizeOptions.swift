public import NestlingTokenizers

/// How many texts become encodings.
public struct TokenizeOptions: Sendable {
    /// What an offset counts.
    public enum OffsetUnit: Sendable {
        /// Bytes of the text's UTF-8.
        case bytes
        /// Unicode scalars, as Python counts them.
        case characters
    }

    /// Whether the post-processor adds its special tokens.
    public var addsSpecialTokens = true
    /// How encodings are cut; `nil`: not at all.
    public var truncation: Truncation?
    /// Whether the parts that were cut off are kept, in ``Encoding/overflowing``.
    public var keepsOverflow = false
    /// What offsets count.
    public var offsetUnit = OffsetUnit.bytes
    /// Threads that the call may use; `nil`: ``Engine/threadCount``.
    public var threadCount: Int?

    /// The defaults.
    public init() {}
}
