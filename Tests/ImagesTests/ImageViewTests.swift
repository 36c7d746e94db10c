import NestlingBasics
import Testing

@testable import NestlingImages

/// What describes pixels, and what is refused.
@Suite struct ImageViewTests {
    /// The message of the refusal of a view over `count` bytes; `nil` if it is taken.
    static func refusal(
        width: Int, height: Int, channels: Int, element: ImageView.Element = .unsigned8, rowStride: Int? = nil,
        pixelStride: Int? = nil, channelStride: Int? = nil
    ) -> Failure? {
        let bytes = [UInt8](repeating: 0, count: 64)
        return bytes.withUnsafeBytes { bytes -> Failure? in
            guard let base = bytes.baseAddress else { return nil }
            do throws(Failure) {
                _ = try ImageView(
                    base: base, element: element, width: width, height: height, channels: channels,
                    rowStride: rowStride, pixelStride: pixelStride, channelStride: channelStride, name: "image 3")
                return nil
            } catch {
                return error
            }
        }
    }

    @Test(arguments: [
        (0, 4), (4, 0), (-1, 4), (4, Int.min), (65_536, 1), (1, 65_536), (65_535, 65_535), (Int.max, Int.max),
    ])
    func sizesThatCannotBeMeant(width: Int, height: Int) {
        let failure = Self.refusal(width: width, height: height, channels: 3)
        #expect(failure?.kind == .invalidArgument)
        #expect(failure?.message.hasPrefix("image 3 has \(width) x \(height) pixels") == true)
    }

    @Test(arguments: [0, -3, 2, 5, Int.max])
    func channels(_ channels: Int) {
        #expect(Self.refusal(width: 2, height: 2, channels: channels)?.kind == .invalidArgument)
    }

    @Test(arguments: [Int.max, Int.min, Int.max / 2, 1 << 48, -(1 << 48)])
    func stridesOutsideOfMemory(_ stride: Int) {
        #expect(Self.refusal(width: 3, height: 3, channels: 3, rowStride: stride)?.kind == .invalidArgument)
        #expect(Self.refusal(width: 3, height: 3, channels: 3, pixelStride: stride)?.kind == .invalidArgument)
        #expect(Self.refusal(width: 3, height: 3, channels: 3, channelStride: stride)?.kind == .invalidArgument)
    }

    @Test func strideOfASingleRowIsNeverUsed() {
        #expect(Self.refusal(width: 2, height: 1, channels: 3, rowStride: .max) == nil)
    }

    @Test func stridesThatAddUpToTooMuch() {
        let stride = 1 << 46
        #expect(
            Self.refusal(
                width: 2, height: 2, channels: 3, rowStride: stride, pixelStride: stride, channelStride: stride)?.kind
                == .invalidArgument)
    }

    @Test func layouts() throws {
        let bytes = [UInt8](repeating: 0, count: 7 * 5 * 4 * 4)
        try bytes.withUnsafeBytes { bytes in
            let base = try #require(bytes.baseAddress)
            let interleaved = try ImageView(base: base, element: .unsigned8, width: 7, height: 5, channels: 4)
            #expect(
                [interleaved.rowStride, interleaved.pixelStride, interleaved.channelStride] == [7 * 4, 4, 1])
            let planar = try ImageView(
                base: base, element: .float32, width: 7, height: 5, channels: 3, layout: .planar)
            #expect([planar.rowStride, planar.pixelStride, planar.channelStride] == [28, 4, 140])
        }
    }
}
