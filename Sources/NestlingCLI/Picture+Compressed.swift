import NestlingImageFiles
import Nestling

extension Picture {
    /// The most pixels of a picture: where Pillow, too, refuses to open one.
    private static let mostPixels = 178_956_970

    /// Reads a PNG or a JPEG file.
    init(compressed bytes: [UInt8], name: String) throws(Failure) {
        var picture = image_file_picture()
        defer { image_file_release(&picture) }
        var limits = image_file_limits(
            longest_side: UInt32(ImageView.longestSide), most_pixels: UInt64(Self.mostPixels))
        let status: Int? = bytes.withUnsafeBufferPointer { buffer in
            let (start, count) = (buffer.baseAddress, buffer.count)
            if image_file_is_png(start, count) != 0 {
                return Int(image_file_read_png(start, count, &limits, &picture))
            }
            if image_file_is_jpeg(start, count) != 0 {
                return Int(image_file_read_jpeg(start, count, &limits, &picture))
            }
            return nil
        }
        guard let status else {
            throw Failure(
                .unsupported, "\(name) is no \(Picture.formats) file; other formats can be converted: magick")
        }
        guard status == image_file_ok, let pixels = picture.pixels else {
            let message = withUnsafeBytes(of: picture.message) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self).printable
            }
            let kind: Failure.Kind =
                status == image_file_unsupported
                ? .unsupported : status == image_file_out_of_memory ? .outOfMemory : .corrupt
            throw Failure(kind, "\(name): \(message)")
        }
        let (width, height) = (Int(picture.width), Int(picture.height))
        self.init(
            width: width, height: height, channels: 3,
            pixels: Array(UnsafeBufferPointer(start: pixels, count: width * height * 3)))
    }
}
