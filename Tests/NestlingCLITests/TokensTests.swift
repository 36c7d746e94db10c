import NestlingBasics
import NestlingTestSupport
import Testing

/// What `nestling tokens` shows.
@Suite struct TokensTests {
    private let sentences = Fixtures.path("sentence-transformers/dense")
    private let vit = Fixtures.path("vit/base")

    /// A folder with the model of images and settings, and a picture of two halves.
    private func imageFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in ["config.json", "model.safetensors"] {
            try folder.write(name, try TemporaryFolder.read(vit + "/" + name))
        }
        try folder.write("preprocessor_config.json", Array(#"{"size": 32, "resample": 0}"#.utf8))
        var picture = Array("P6\n# two halves\n64 32\n255\n".utf8)
        for _ in 0..<32 { for x in 0..<64 { picture += x < 32 ? [250, 10, 20] : [5, 240, 30] } }
        try folder.write("picture.ppm", picture)
        return folder
    }

    @Test func text() throws {
        let plain = try Command.run("tokens", sentences, "the cat sat on the mat", "--json")
        #expect(plain.status == 0 && plain.errors.isEmpty)
        let document = try JSON.parse(plain.text, name: "output")
        let tokens = try #require(document["tokens"]?.array)
        let layers = try #require(document["layers"]?.array)
        for (number, layer) in layers.enumerated() {
            #expect(layer["layer"]?.int == number && layer["tokens"]?.int == tokens.count)
            #expect(layer["groups"]?.array?.compactMap(\.int) == Array(0..<tokens.count))
        }
        let merged = try Command.run("tokens", sentences, "the cat sat on the mat", "--merge", "1", "--json")
        let counts =
            try JSON.parse(merged.text, name: "output")["layers"]?.array?.compactMap { $0["tokens"]?.int } ?? []
        #expect(counts == (0..<layers.count).map { tokens.count - $0 })
        let shown = try Command.run("tokens", sentences, "the cat sat on the mat", "--merge", "1")
        #expect(shown.lines.count == layers.count + 2)
        #expect(shown.lines.last?.contains("(1)") == true)
        let before = try Command.run("tokens", sentences, "the cat sat on the mat", "--merge", "1", "--layer", "0")
        #expect(before.lines.last?.contains("(1)") == false)
    }

    @Test func image() throws {
        let folder = try imageFolder()
        let outcome = try Command.run(
            "tokens", folder.path(""), "--image", folder.path("picture.ppm"), "--merge", "4", "--png",
            folder.path("merged.png"))
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.lines.count == 4)
        #expect(outcome.lines[1].split(separator: " ").prefix(2) == ["0", "17"])
        #expect(outcome.lines[2].split(separator: " ").prefix(2) == ["1", "13"])
        // Three panels of 32 x 32 pixels, five times as large, with gaps of 8; not compressed.
        let png = try folder.read("merged.png")
        let (width, height) = (3 * 160 + 2 * 8, 160)
        #expect(Array(png[..<8]) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        #expect(Array(png[16..<24]) == [0, 0, UInt8(width >> 8), UInt8(width & 255), 0, 0, 0, UInt8(height)])
        #expect(png.count > (1 + 3 * width) * height)
        // The first pixel of the first panel: after signature, IHDR, the heads of IDAT, zlib and block, and a filter byte.
        let first = 8 + 25 + 8 + 2 + 5 + 1
        #expect(Array(png[first..<first + 3]) == [250, 10, 20])
    }

    @Test func refusals() throws {
        let folder = try imageFolder()
        #expect(try Command.run("tokens", sentences).status == 64)
        #expect(try Command.run("tokens", sentences, "a", "--image", "b").status == 64)
        #expect(try Command.run("tokens", sentences, "a", "--layer", "99").status == 64)
        #expect(try Command.run("tokens", folder.path(""), "--image", folder.path("none.ppm")).status == 66)
        #expect(try Command.run("tokens", sentences, "--image", folder.path("picture.ppm")).status == 64)
        #expect(try Command.run("tokens", vit, "--image", folder.path("picture.ppm")).status == 65)
        for text in [
            "", "P6", "P6 0 1 255 ", "P6 2 2 255\nabc", "P6 99999999999999999999 2 255\n", "P6 2 2 65535\n", "GIF8",
        ] {
            try folder.write("bad.ppm", Array(text.utf8))
            let outcome = try Command.run("tokens", folder.path(""), "--image", folder.path("bad.ppm"))
            #expect(outcome.status == 65 && outcome.errors.contains("bad.ppm"), "\(text) \(outcome.errors)")
        }
    }
}
