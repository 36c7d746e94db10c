@testable import NestlingImages

/// A picture of noise, the same as make_image_fixtures.py makes. Views of it stay valid: its memory is never given back.
final class Picture: @unchecked Sendable {
    let width: Int
    let height: Int
    let channels: Int
    /// `[height, width, channels]`.
    let levels: [UInt8]
    private let memory: UnsafeMutableRawPointer

    init(width: Int, height: Int, channels: Int) {
        (self.width, self.height, self.channels) = (width, height, channels)
        var state = UInt64(width * 1_000_003 + height * 1_009 + channels)
        levels = (0..<width * height * channels).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            switch state >> 62 {
            case 0: return 0
            case 1: return 255
            default: return UInt8(truncatingIfNeeded: state >> 54)
            }
        }
        memory = .allocate(byteCount: levels.count * 4, alignment: 64)
        memory.copyMemory(from: levels, byteCount: levels.count)
    }

    /// The picture as bytes.
    func bytes() throws -> ImageView {
        try ImageView(base: memory, element: .unsigned8, width: width, height: height, channels: channels)
    }

    /// The picture as floats, with `change` made to them.
    func floats(_ change: (UnsafeMutablePointer<Float>) -> Void = { _ in }) throws -> ImageView {
        let floats = memory.bindMemory(to: Float.self, capacity: levels.count)
        for (index, level) in levels.enumerated() { floats[index] = Float(level) / 255 }
        change(floats)
        return try ImageView(base: memory, element: .float32, width: width, height: height, channels: channels)
    }
}
