import NestlingBasics
import NestlingTestSupport
import Testing

@testable import NestlingImages

/// Levels after resizing against Pillow's, and how pixels are reached.
@Suite struct ResamplingTests {
    /// What resizes and does nothing else: numbers are levels.
    static func preparation(_ filter: ResamplingFilter, width: Int, height: Int) -> ImagePreparation {
        ImagePreparation(
            type: "test", resize: .exactly(ImageSize(height: height, width: width)), filter: filter, crop: nil,
            pad: nil, scale: PixelScale())
    }

    /// The width and height of "7x5".
    private static func size(_ text: Substring) -> (Int, Int)? {
        let sides = text.split(separator: "x").compactMap { Int($0) }
        return sides.count == 2 ? (sides[0], sides[1]) : nil
    }

    @Test(arguments: ResamplingFilter.allCases)
    func levelsArePillows(_ filter: ResamplingFilter) throws {
        let golden = try Golden("images", file: "resize.safetensors")
        var cases = 0
        for name in golden.names where name.hasPrefix("\(filter.rawValue) ") {
            let parts = name.split(separator: " ")
            let (width, height) = try #require(Self.size(parts[1]))
            let (newWidth, newHeight) = try #require(Self.size(parts[2]))
            let expected = try #require(golden.bytes(name))
            let picture = Picture(width: width, height: height, channels: 3)
            let preparation = Self.preparation(filter, width: newWidth, height: newHeight)
            let image = try preparation.prepare(try picture.bytes())
            var levels: [UInt8] = []
            for pixel in 0..<newWidth * newHeight {
                for plane in 0..<3 { levels.append(UInt8(image.values[plane * newWidth * newHeight + pixel])) }
            }
            // Not only to one level: the same arithmetic.
            #expect(levels == expected, "\(name)")

            // Floats are not rounded between the passes, nor at the end: two halves of a level, the first weighted by
            // filters whose weights add up to at most 1.7 in magnitude.
            let floats = try preparation.prepare(try picture.floats())
            for index in 0..<image.count {
                #expect(abs(floats.values[index] - image.values[index]) <= 0.5 + 0.85 + 1e-3, "\(name)")
            }
            cases += 1
        }
        #expect(cases == 16)
    }

    /// Rows upside down, columns from the right, channels as BGR; gaps; an odd address.
    @Test func strides() throws {
        let picture = Picture(width: 13, height: 9, channels: 3)
        let preparation = Self.preparation(.bicubic, width: 7, height: 5)
        let expected = try preparation.prepare(try picture.bytes()).values
        for size in [1, 4] {
            let (row, pixel, channel) = (-13 * 5 * size - 3, 5 * size, -size)
            let memory = UnsafeMutableRawPointer.allocate(byteCount: 9 * 13 * 5 * size + 64, alignment: 64)
            defer { memory.deallocate() }
            let base = memory + 1 + 8 * -row + 2 * size
            for y in 0..<9 {
                for x in 0..<13 {
                    for c in 0..<3 {
                        let level = picture.levels[(y * 13 + x) * 3 + c]
                        let place = base + (y * row + x * pixel + c * channel)
                        if size == 1 {
                            place.storeBytes(of: level, as: UInt8.self)
                        } else {
                            place.storeBytes(of: Float(level) / 255, as: Float.self)
                        }
                    }
                }
            }
            let view = try ImageView(
                base: base, element: size == 1 ? .unsigned8 : .float32, width: 13, height: 9, channels: 3,
                rowStride: row, pixelStride: pixel, channelStride: channel)
            let reference = size == 1 ? expected : try preparation.prepare(try picture.floats()).values
            #expect(try preparation.prepare(view).values == reference)
        }
    }

    @Test func grayIsThreeEqualColours() throws {
        let image = try Self.preparation(.lanczos, width: 5, height: 6).prepare(
            try Picture(width: 9, height: 4, channels: 1).bytes())
        #expect(Array(image.values[0..<30]) == Array(image.values[30..<60]))
        #expect(Array(image.values[0..<30]) == Array(image.values[60..<90]))
    }

    /// Sizes whose weights would be many if all of the resized image were made.
    @Test(arguments: [(1, 65_535), (65_535, 1), (65_535, 2), (2, 60_000)])
    func extremeShapesAreCropped(width: Int, height: Int) throws {
        let preparation = ImagePreparation(
            type: "test", resize: .shortestEdge(224, longest: nil), filter: .bicubic,
            crop: ImageSize(height: 32, width: 32), pad: nil, scale: PixelScale())
        let image = try preparation.prepare(try Picture(width: width, height: height, channels: 1).bytes())
        #expect((image.width, image.height) == (32, 32))
    }

    @Test func resizedSizesThatCannotBe() throws {
        let view = try Picture(width: 2000, height: 1, channels: 1).bytes()
        for rule in [ResizeRule.shortestEdge(16_384, longest: nil), .fitting(ImageSize(height: 10, width: 10))] {
            let preparation = ImagePreparation(
                type: "test", resize: rule, filter: .box, crop: ImageSize(height: 3, width: 3), pad: nil,
                scale: PixelScale())
            #expect(throws: Failure.self) { try preparation.prepare(view, name: "image 0") }
        }
        let large = ImagePreparation(
            type: "test", resize: .shortestEdge(8192, longest: nil), filter: .box, crop: nil, pad: nil,
            scale: PixelScale())
        #expect(throws: Failure.self) { try large.prepare(view, name: "image 0") }
    }
}
