import NestlingBasics

/// Where the pixels of one image end up: which part of the resized image is made at all, and where it lies in the result.
struct ImageGeometry {
    /// One axis.
    struct Axis {
        /// Pixels of the image, and after resizing.
        let pixels: Int
        let resized: Int
        /// The resized pixels that the crop shows.
        let window: Range<Int>
        /// The place of the first of them in the crop.
        let place: Int
        /// Pixels of the crop.
        let cropped: Int
        /// Pixels of the result: the crop and what pads it at its end.
        let prepared: Int

        /// The crop's first pixel is resized pixel `floor((resized - cropped) / 2)`; if that is negative, as many zeros
        /// come first, as in transformers.
        init(pixels: Int, resized: Int, crop: Int?, pad: Int?) {
            self.pixels = pixels
            self.resized = resized
            cropped = crop ?? resized
            prepared = pad ?? cropped
            let difference = resized - cropped
            let start = difference >= 0 ? difference / 2 : -((1 - difference) / 2)
            window = max(start, 0)..<min(start + cropped, resized)
            place = max(-start, 0)
        }
    }

    /// The most elements of a plane of a result: what a checkpoint's settings may ask for.
    static let mostPixels = 1 << 26

    let vertical: Axis
    let horizontal: Axis

    /// The size of the result.
    var prepared: ImageSize { ImageSize(height: vertical.prepared, width: horizontal.prepared) }

    /// - Throws: `.invalidArgument` if the result would be empty, too large, or larger than what it is padded to.
    init(image: ImageSize, resize: ResizeRule?, crop: ImageSize?, pad: ImageSize?, name: String) throws(Failure) {
        let resized = try resize?.size(of: image, name: name) ?? image
        vertical = Axis(pixels: image.height, resized: resized.height, crop: crop?.height, pad: pad?.height)
        horizontal = Axis(pixels: image.width, resized: resized.width, crop: crop?.width, pad: pad?.width)
        guard vertical.cropped <= vertical.prepared, horizontal.cropped <= horizontal.prepared else {
            throw Failure(
                .invalidArgument,
                "\(name): \(horizontal.cropped) x \(vertical.cropped) pixels cannot be padded to \(prepared)")
        }
        let (pixels, overflow) = vertical.prepared.multipliedReportingOverflow(by: horizontal.prepared)
        guard !overflow, pixels <= Self.mostPixels else {
            throw Failure(
                .invalidArgument,
                "\(name) would be prepared as \(prepared) pixels; the most are \(Self.mostPixels) in all")
        }
    }
}
