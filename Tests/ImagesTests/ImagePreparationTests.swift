import NestlingBasics
import NestlingCheckpoints
import NestlingTestSupport
import Testing

@testable import NestlingImages

/// Whole preparations against transformers' processors with the Pillow backend, and pixels that are none.
@Suite struct ImagePreparationTests {
    static func cases() throws -> [JSONFields] {
        let source = try DirectorySource(path: Fixtures.path("images"))
        let file = try #require(try source.file("processors.json"))
        let list = try #require(try JSON.parse(file.bytes, name: file.name).array)
        return try list.map { try JSONFields($0, name: "processors.json") }
    }

    @Test func numbersAreThoseOfTransformers() throws {
        let golden = try Golden("images", file: "processors.safetensors")
        let cases = try Self.cases()
        #expect(cases.count == 90)
        for (number, fields) in cases.enumerated() {
            let picture = Picture(
                width: try fields.integer("width", in: 1...999), height: try fields.integer("height", in: 1...999),
                channels: try fields.integer("channels", in: 1...4))
            let preparation = try ImagePreparation(try fields.object("settings"))
            let expected = try #require(golden.floats("\(number)"))
            let image = try preparation.prepare(try picture.bytes())
            #expect([image.channels, image.height, image.width] == golden.shape("\(number)"), "case \(number)")
            #expect(image.count == expected.count)
            // The same bits: levels are Pillow's, and what follows is rounded as NumPy rounds it.
            #expect(image.values == expected, "case \(number)")
        }
    }

    static let clip = ImagePreparation(
        type: "test", resize: .shortestEdge(12, longest: nil), filter: .bicubic,
        crop: ImageSize(height: 12, width: 12), pad: nil,
        scale: PixelScale(factor: 1 / 255, normalization: ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])))

    /// What was prepared can be looked at: the levels before normalization.
    @Test func levelsComeBack() throws {
        let picture = Picture(width: 12, height: 12, channels: 3)
        let image = try Self.clip.prepare(try picture.bytes())
        #expect(Self.clip.levels(of: image) == picture.levels)
    }

    @Test func threadsChangeNothing() throws {
        let pictures = (1...9).map { Picture(width: 40 + $0 * 7, height: 90 - $0 * 5, channels: [1, 3, 4][$0 % 3]) }
        let one = try Self.clip.prepare(try pictures.map { try $0.bytes() }, threads: 1).map { $0.values }
        let three = try Self.clip.prepare(try pictures.map { try $0.bytes() }, threads: 3).map { $0.values }
        #expect(one == three)
        for (picture, numbers) in zip(pictures, one) {
            #expect(try Self.clip.prepare(try picture.bytes(), threads: 2).values == numbers)
        }
        #expect(try Self.clip.prepare([]).isEmpty)
    }

    @Test(arguments: [Float.nan, -.nan, .infinity, -.infinity, 1.01, -0.01, 255])
    func floatsThatAreNoPixels(_ value: Float) throws {
        let view = try Picture(width: 14, height: 12, channels: 3).floats { $0[(7 * 14 + 5) * 3 + 2] = value }
        let failure = #expect(throws: Failure.self) { try Self.clip.prepare(view, name: "image 4") }
        #expect(
            failure
                == Failure(
                    .invalidArgument,
                    "image 4: channel 2 of the pixel in row 7, column 5 is \(value); float pixels lie in 0...1"))
    }

    @Test func alphaThatIsNoNumber() throws {
        let view = try Picture(width: 13, height: 12, channels: 4).floats { $0[3] = .nan }
        #expect(throws: Failure.self) { try Self.clip.prepare(view) }
    }

    /// Up to half a level outside of 0...1, floats are clipped.
    @Test func floatsBesideTheRange() throws {
        let inside = try Picture(width: 13, height: 12, channels: 3).floats {
            $0[0] = 0
            $0[1] = 1
        }
        let expected = try Self.clip.prepare(inside).values
        let outside = try Picture(width: 13, height: 12, channels: 3).floats {
            $0[0] = -0.0019
            $0[1] = 1.0019
        }
        #expect(try Self.clip.prepare(outside).values == expected)
    }

    /// Of several faulty images the first is named, on any number of threads.
    @Test func firstFaultyImage() throws {
        let good = Picture(width: 13, height: 12, channels: 3)
        let bad = Picture(width: 13, height: 12, channels: 3)
        let views = [
            try good.bytes(), try bad.floats { $0[9] = .nan }, try good.bytes(), try bad.floats { $0[9] = .nan },
        ]
        for threads in [1, 4] {
            let failure = #expect(throws: Failure.self) { try Self.clip.prepare(views, threads: threads) }
            #expect(failure?.message.hasPrefix("image 1: channel 0 of the pixel in row 0, column 3 is nan") == true)
        }
    }
}
