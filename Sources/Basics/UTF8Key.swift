/// A string as a dictionary key that equals only strings of the same bytes, unlike `String` itself, for which the
/// composed and the decomposed form of a letter are equal.
public struct UTF8Key: Hashable, Sendable {
    /// The text.
    public let string: String

    /// Wraps `string`.
    public init(_ string: String) { self.string = string }

    /// Whether both have the same bytes.
    public static func == (left: UTF8Key, right: UTF8Key) -> Bool {
        left.string.utf8.count == right.string.utf8.count && left.string.utf8.elementsEqual(right.string.utf8)
    }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) {
        let isContiguous: Void? = string.utf8.withContiguousStorageIfAvailable { bytes in
            hasher.combine(bytes: UnsafeRawBufferPointer(bytes))
        }
        if isContiguous == nil { for byte in string.utf8 { hasher.combine(byte) } }
    }
}
