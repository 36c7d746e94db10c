/// PNG files (ISO/IEC 15948) of 8-bit RGB pixels, not compressed: pictures to look at once need no zlib.
enum PNGWriter {
    /// The bytes of a file that shows `pixels`, `[height, width, 3]`.
    static func file(width: Int, height: Int, pixels: [UInt8]) -> [UInt8] {
        var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        // 8 bits, RGB, the only compression and filter methods, not interlaced.
        append("IHDR", bigEndian(width) + bigEndian(height) + [8, 2, 0, 0, 0], to: &file)
        var rows: [UInt8] = []
        rows.reserveCapacity(height * (1 + 3 * width))
        for row in 0..<height {
            // The filter of the row: none.
            rows.append(0)
            rows += pixels[row * 3 * width..<(row + 1) * 3 * width]
        }
        append("IDAT", stored(rows), to: &file)
        append("IEND", [], to: &file)
        return file
    }

    /// A zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4).
    private static func stored(_ data: [UInt8]) -> [UInt8] {
        let longest = 65_535
        var stream: [UInt8] = [0x78, 0x01]
        for start in stride(from: 0, to: data.count, by: longest) {
            let end = min(data.count, start + longest)
            let count = UInt16(end - start)
            stream.append(end == data.count ? 1 : 0)
            for number in [count, ~count] { stream += [UInt8(truncatingIfNeeded: number), UInt8(number >> 8)] }
            stream += data[start..<end]
        }
        // Adler-32.
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in data {
            a = (a + UInt32(byte)) % 65_521
            b = (b + a) % 65_521
        }
        return stream + bigEndian(Int(b << 16 | a))
    }

    private static func append(_ type: String, _ data: [UInt8], to file: inout [UInt8]) {
        let content = Array(type.utf8) + data
        file += bigEndian(data.count) + content + bigEndian(Int(checksum(content)))
    }

    /// CRC-32 with the polynomial of IEEE 802.3.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var register = UInt32.max
        for byte in bytes { register = register >> 8 ^ table[Int(UInt8(truncatingIfNeeded: register) ^ byte)] }
        return ~register
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    private static func bigEndian(_ number: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: number).bigEndian) { Array($0) }
    }
}
