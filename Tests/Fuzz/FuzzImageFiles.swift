import NestlingImageFiles

/// The input: a PNG or a JPEG file. Whatever is in it, the decoders return, with pixels or with one line that says why not.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzImageFiles(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    var limits = image_file_limits(longest_side: 2048, most_pixels: 1 << 16)
    var picture = image_file_picture()
    defer { image_file_release(&picture) }
    let status =
        image_file_is_png(data, size) != 0
        ? image_file_read_png(data, size, &limits, &picture) : image_file_read_jpeg(data, size, &limits, &picture)
    let message = withUnsafeBytes(of: picture.message) { $0.prefix { $0 != 0 } }
    if let pixels = picture.pixels {
        guard Int(status) == image_file_ok, message.isEmpty else { fatalError("pixels of a failure") }
        // Each can be read.
        var sum = 0
        for index in 0..<Int(picture.width) * Int(picture.height) * 3 { sum &+= Int(pixels[index]) }
        guard sum >= 0 else { fatalError("a sum below zero") }
    } else {
        guard Int(status) != image_file_ok, !message.isEmpty, !message.contains(0x0A) else {
            fatalError("no pixels and no reason")
        }
    }
    return 0
}
