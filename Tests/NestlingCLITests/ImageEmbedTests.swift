import NestlingBasics
import NestlingTestSupport
import Testing

/// `nestling embed` of image files.
@Suite struct ImageEmbedTests {
    private let model = Fixtures.path("vit/image-classification")
    private let files = Fixtures.path("images/files")

    /// A PPM file of what Pillow makes of a file.
    private func pixmap(_ name: String) throws -> [UInt8] {
        let golden = try Golden("images/files", file: "decoded.safetensors")
        let shape = try #require(golden.shape(name))
        return Array("P6 \(shape[1]) \(shape[0]) 255\n".utf8) + (try #require(golden.bytes(name)))
    }

    @Test func filesAreTheirPixels() throws {
        let folder = try TemporaryFolder()
        let names = ["rgb-8.png", "palette-4-interlaced.png", "rgba-16.png", "gray-1.png", "420.jpg", "cmyk.jpg"]
        for name in names { try folder.write(name + ".ppm", try pixmap(name)) }
        let found = try Command.run(["embed", model] + names.map { files + "/" + $0 })
        #expect(found.status == 0, "\(found.errors)")
        let expected = try Command.run(["embed", model] + names.map { folder.path($0 + ".ppm") })
        #expect(expected.status == 0 && expected.lines.count == names.count)
        for (index, name) in names.enumerated() {
            if name.hasSuffix(".png") {
                #expect(found.lines[index] == expected.lines[index], "\(name)")
            } else {
                let pairs = zip(found.lines[index].split(separator: " "), expected.lines[index].split(separator: " "))
                #expect(pairs.allSatisfy { abs((Float($0) ?? .nan) - (Float($1) ?? .nan)) < 0.02 }, "\(name)")
            }
        }
        // As lines, in any form, and one by one: the same.
        let lines = try Command.run(
            ["embed", model, "--csv"], input: Array(names.map { files + "/" + $0 }.joined(separator: "\n").utf8))
        #expect(lines.lines.map { $0.replacing(",", with: " ") } == found.lines)
        let alone = try Command.run("embed", model, files + "/gray-1.png", "--json")
        let vectors = try JSON.parse(alone.text, name: "output")["vectors"]?.array?.first?.array
        #expect(
            vectors?.compactMap { $0.double.map { Float($0) } }
                == found.lines[3].split(separator: " ").map { Float($0) })
        let table = try Command.run("embed", model, files + "/gray-1.png", files + "/rgb-8.png", "--similarity")
        #expect(table.lines.count == 3 && table.text.contains("gray-1.png"))
    }

    @Test func refusals() throws {
        let folder = try TemporaryFolder()
        let png = try TemporaryFolder.read(files + "/filters.png")
        try folder.write("cut.png", Array(png.dropLast(40)))
        let cut = try Command.run("embed", model, files + "/rgb-8.png", folder.path("cut.png"))
        #expect(cut.status == 65 && cut.errors.contains("cut.png: it ends too early"), "\(cut.errors)")
        try folder.write("text.png", Array("no picture".utf8))
        let text = try Command.run("embed", model, folder.path("text.png"))
        #expect(text.status == 65 && text.errors.contains("text.png is no PNG, JPEG, PPM or PGM file"))
        #expect(try Command.run("embed", model, folder.path("none.png")).status == 66)
        #expect(try Command.run("embed", model, "--ids", "1,2").status == 64)
        #expect(try Command.run("embed", model, "--prompt", "a", files + "/rgb-8.png").status == 64)
        // Without preprocessor_config.json nobody knows how to prepare them.
        #expect(try Command.run("embed", Fixtures.path("vit/base"), files + "/rgb-8.png").status == 65)
    }
}
