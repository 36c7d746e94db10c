/// The 256 characters that stand for bytes in byte-level vocabularies: printable ASCII and Latin-1 stand for themselves,
/// the rest for U+0100 onwards. Source: `bytes_to_unicode` of openai/gpt-2.
enum ByteLevelAlphabet {
    /// The character of each byte.
    static let characters: [UInt32] = {
        var next: UInt32 = 256
        return (UInt32(0)..<256).map { byte in
            if (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte) {
                return byte
            }
            next += 1
            return next - 1
        }
    }()

    /// The byte of each character below U+0144, or -1.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, character) in characters.enumerated() { bytes[Int(character)] = Int16(byte) }
        return bytes
    }()

    /// The character of the byte 0x20.
    static let space: UInt32 = 0x120

    /// The byte that `scalar` stands for, or nil.
    static func byte(of scalar: UInt32) -> UInt8? {
        guard scalar < 0x144 else { return nil }
        return UInt8(exactly: bytes[Int(scalar)])
    }

    /// The bytes that `text` stands for, or nil if a character of it is none of the 256.
    static func bytes(of text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        return append(known: text, to: &result) ? result : nil
    }

    /// Appends the bytes that `text` stands for; if a character of it is none of the 256, `text` as it is.
    static func append(_ text: UnsafeBufferPointer<UInt8>, to result: inout [UInt8]) {
        let start = result.count
        if append(known: text, to: &result) { return }
        result.removeSubrange(start...)
        result.append(contentsOf: text)
    }

    /// Whether all of `text` could be appended.
    private static func append(known text: UnsafeBufferPointer<UInt8>, to result: inout [UInt8]) -> Bool {
        var position = 0
        while position < text.count {
            let (scalar, length) = text.scalar(at: position)
            guard let byte = byte(of: scalar) else { return false }
            result.append(byte)
            position += length
        }
        return true
    }
}
