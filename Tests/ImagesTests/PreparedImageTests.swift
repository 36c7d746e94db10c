import NestlingBasics
import Testing

@testable import NestlingImages

/// Pixels that the caller prepared.
@Suite struct PreparedImageTests {
    /// Rows from the last to the first, at an odd address.
    @Test func copyFollowsStrides() throws {
        let (width, height, channels) = (3, 2, 3)
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: width * height * channels * 4 + 1, alignment: 64)
        defer { bytes.deallocate() }
        for index in 0..<width * height * channels {
            (bytes + 1 + index * 4).storeBytes(of: Float(index), as: Float.self)
        }
        let rowBytes = width * channels * 4
        let view = try ImageView(
            base: bytes + 1 + rowBytes, element: .float32, width: width, height: height, channels: channels,
            rowStride: -rowBytes)
        let image = try PreparedImage(copying: view)
        var expected: [Float] = []
        for channel in 0..<channels {
            for row in 0..<height {
                for column in 0..<width {
                    expected.append(Float(((height - 1 - row) * width + column) * channels + channel))
                }
            }
        }
        #expect(image.values == expected)
        #expect(UInt(bitPattern: image.pointer) % 64 == 0)
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func numbersThatAreNone(_ value: Float) throws {
        var pixels = [Float](repeating: 0.5, count: 12)
        pixels[7] = value
        let failure = pixels.withUnsafeBytes { bytes -> Failure? in
            guard let base = bytes.baseAddress else { return nil }
            do throws(Failure) {
                let view = try ImageView(base: base, element: .float32, width: 2, height: 2, channels: 3)
                _ = try PreparedImage(copying: view, name: "image 0")
                return nil
            } catch {
                return error
            }
        }
        #expect(
            failure
                == Failure(
                    .invalidArgument, "image 0: channel 1 of the pixel in row 1, column 0 is \(value)"))
    }

    @Test func bytesAreNotPrepared() throws {
        let bytes = [UInt8](repeating: 0, count: 12)
        bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            #expect(throws: Failure.self) {
                _ = try PreparedImage(
                    copying: ImageView(base: base, element: .unsigned8, width: 2, height: 2, channels: 3))
            }
        }
    }

    @Test(arguments: [(0, 1, 1), (1, -1, 1), (3, Int.max, Int.max), (3, 1 << 40, 1 << 40)])
    func sizesThatCannotBeMeant(channels: Int, height: Int, width: Int) {
        #expect(throws: Failure.self) { _ = try PreparedImage(channels: channels, height: height, width: width) }
    }
}
