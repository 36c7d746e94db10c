import NestlingCheckpoints
import NestlingImageFiles
import NestlingTestSupport
import Testing

/// PNG and JPEG files against Pillow's decoding, and what is wrong with files.
@Suite struct ImageFilesTests {
    /// What came of decoding.
    struct Outcome {
        var status: Int
        var width = 0
        var height = 0
        var pixels: [UInt8] = []
        var message = ""
    }

    static let files = "images/files"
    static let names = (try? Golden(files, file: "decoded.safetensors").names.sorted()) ?? []

    private func bytes(_ name: String) throws -> [UInt8] {
        let file = try #require(try DirectorySource(path: Fixtures.path(Self.files)).file(name))
        return withExtendedLifetime(file) { Array(file.bytes) }
    }

    private func decode(
        _ bytes: [UInt8], longestSide: UInt32 = 65_535, mostPixels: UInt64 = 1 << 24
    ) -> Outcome {
        var limits = image_file_limits(longest_side: longestSide, most_pixels: mostPixels)
        var picture = image_file_picture()
        defer { image_file_release(&picture) }
        let status = bytes.withUnsafeBufferPointer { buffer in
            image_file_is_png(buffer.baseAddress, buffer.count) != 0
                ? image_file_read_png(buffer.baseAddress, buffer.count, &limits, &picture)
                : image_file_read_jpeg(buffer.baseAddress, buffer.count, &limits, &picture)
        }
        var outcome = Outcome(status: Int(status))
        if let pixels = picture.pixels {
            (outcome.width, outcome.height) = (Int(picture.width), Int(picture.height))
            outcome.pixels = Array(UnsafeBufferPointer(start: pixels, count: outcome.width * outcome.height * 3))
        }
        outcome.message = withUnsafeBytes(of: picture.message) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        // Pixels and no message, or a message and no pixels.
        #expect((outcome.status == image_file_ok) == !outcome.pixels.isEmpty)
        #expect(outcome.pixels.isEmpty == !outcome.message.isEmpty)
        #expect(!outcome.message.contains("\n"))
        return outcome
    }

    @Test func thereAreFiles() { #expect(Self.names.count == 44) }

    /// PNG to the last bit; JPEG within 2 levels, because libjpeg may be another release than Pillow's.
    @Test(arguments: names) func pixelsArePillows(_ name: String) throws {
        let golden = try Golden(Self.files, file: "decoded.safetensors")
        let (expected, shape) = (try #require(golden.bytes(name)), try #require(golden.shape(name)))
        let found = decode(try bytes(name))
        #expect(found.status == image_file_ok, "\(found.message)")
        #expect([found.height, found.width, 3] == shape && found.pixels.count == expected.count)
        let worst = zip(found.pixels, expected).map { abs(Int($0) - Int($1)) }.max()
        #expect(try #require(worst) <= (name.hasSuffix(".png") ? 0 : 2))
    }

    /// However much is missing at the end.
    @Test(arguments: names) func truncatedFilesAreRefused(_ name: String) throws {
        let bytes = try bytes(name)
        for count in stride(from: 8, to: bytes.count, by: 1 + bytes.count / 200) {
            #expect(decode(Array(bytes[..<count])).status == image_file_damaged)
        }
        #expect(decode(Array(bytes.dropLast())).status == image_file_damaged)
    }

    /// Whatever a changed byte does, the function returns. (The fuzz target tries more.)
    @Test(arguments: ["filters.png", "palette-4-interlaced.png", "420.jpg", "progressive.jpg", "cmyk.jpg"])
    func damagedFilesReturn(_ name: String) throws {
        let bytes = try bytes(name)
        var refused = 0
        for place in bytes.indices.dropFirst(8) {
            var damaged = bytes
            damaged[place] ^= UInt8(1 << (place % 8))
            if decode(damaged).status != image_file_ok { refused += 1 }
        }
        // PNG has checksums; of JPEG only what the decoder notices.
        #expect(refused > bytes.count / (name.hasSuffix(".png") ? 2 : 20))
    }

    @Test func limits() throws {
        let png = try bytes("rgb-8.png")
        #expect(decode(png, longestSide: 19, mostPixels: 19 * 13).status == image_file_ok)
        for refused in [decode(png, longestSide: 18), decode(png, mostPixels: 19 * 13 - 1)] {
            #expect(refused.status != image_file_ok)
        }
        let jpeg = try bytes("420.jpg")
        #expect(decode(jpeg, longestSide: 45, mostPixels: 45 * 37).status == image_file_ok)
        for refused in [decode(jpeg, longestSide: 44), decode(jpeg, mostPixels: 45 * 37 - 1)] {
            #expect(refused.status == image_file_unsupported && refused.message.contains("45 x 37"))
        }
    }

    /// Files that claim far more pixels than they can hold are refused before memory is asked for.
    @Test func claims() throws {
        var png = try bytes("rgb-8.png")
        // The width is at byte 16, the checksum of IHDR at 29.
        png.replaceSubrange(16..<24, with: [0, 0, 0x40, 0, 0, 0, 0x40, 0])
        png.replaceSubrange(29..<33, with: Self.checksum(png[12..<29]))
        let large = decode(png, mostPixels: 1 << 28)
        #expect(large.status == image_file_damaged && large.message.contains("16384 x 16384"), "\(large.message)")
        #expect(decode(png, mostPixels: 1 << 24).status == image_file_unsupported)

        var jpeg = try bytes("420.jpg")
        let frame = try #require(jpeg.indices.dropLast().first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0x40, 0, 0x40, 0])
        let wide = decode(jpeg, mostPixels: 1 << 28)
        #expect(wide.status == image_file_damaged && wide.message.contains("16384 x 16384"), "\(wide.message)")
    }

    /// A small progressive file of very many scans would take very long.
    @Test func scans() throws {
        let jpeg = try bytes("progressive.jpg")
        // The first scan, of the constant part of all blocks, may come again and again.
        let start = try #require(jpeg.indices.dropLast().first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xDA })
        let end = try #require(
            (start + 2..<jpeg.count - 1).first { jpeg[$0] == 0xFF && jpeg[$0 + 1] != 0 })
        let scan = Array(jpeg[start..<end])
        func repeated(_ count: Int) -> Outcome {
            var many = Array(jpeg[..<start])
            for _ in 0..<count { many += scan }
            many += jpeg[end...]
            return decode(many)
        }
        #expect(repeated(20).status == image_file_ok)
        let outcome = repeated(600)
        #expect(outcome.status == image_file_unsupported && outcome.message.contains("scans"), "\(outcome)")
    }

    /// CRC-32 with the polynomial of IEEE 802.3.
    private static func checksum(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var register = UInt32.max
        for byte in bytes {
            register ^= UInt32(byte)
            for _ in 0..<8 { register = register & 1 == 1 ? register >> 1 ^ 0xEDB8_8320 : register >> 1 }
        }
        return withUnsafeBytes(of: (~register).bigEndian) { Array($0) }
    }
}
