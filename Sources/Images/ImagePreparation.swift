public import NestlingBasics

/// From pixels to what a network takes, as a checkpoint's preprocessor_config.json says: resize, crop the centre, rescale,
/// normalize, pad.
///
/// - 8-bit pixels are resampled as Pillow does it, in 8 bits with rounding after each pass, and then give the numbers of
///   transformers' processors with the Pillow backend.
/// - Float pixels lie in 0...1 and count as 255 times as many levels, so the same picture gives the same numbers up to the
///   rounding to 8 bits, which they do not undergo. Up to half a level outside they are clipped; farther out, and
///   not-a-number, is an error that names the pixel.
/// - Gray pixels count as three equal colours. What has alpha is laid on white before anything else.
public struct ImagePreparation: Sendable {
    /// The processor that the settings name, for example `CLIPImageProcessor`.
    public let type: String
    /// To which size images are resized; `nil` if they are not.
    public let resize: ResizeRule?
    /// With what weights.
    public let filter: ResamplingFilter
    /// What is cut from the middle of the resized image, which is surrounded by black if it is smaller; `nil`: nothing.
    public let crop: ImageSize?
    /// To what size zeros are added at the right and below, after normalization; `nil`: none.
    public let pad: ImageSize?
    let scale: PixelScale

    init(
        type: String, resize: ResizeRule?, filter: ResamplingFilter, crop: ImageSize?, pad: ImageSize?,
        scale: PixelScale
    ) {
        self.type = type
        self.resize = resize
        self.filter = filter
        self.crop = crop
        self.pad = pad
        self.scale = scale
    }

    /// Colours of every prepared image.
    public static var channels: Int { 3 }

    /// The size that an image of `size` gets.
    /// - Throws: `.invalidArgument`, see ``prepare(_:name:threads:)``.
    public func preparedSize(of size: ImageSize, name: String = "image") throws(Failure) -> ImageSize {
        try geometry(of: size, name: name).prepared
    }

    /// Prepares one image on up to `threads` threads (`nil`: as set for the process).
    /// - Throws: `.invalidArgument` for pixels that are none, and for shapes that leave nothing, or too much, after
    ///   resizing; `.outOfMemory`.
    public func prepare(_ view: ImageView, name: String = "image", threads: Int? = nil) throws(Failure) -> PreparedImage
    {
        let geometry = try geometry(of: ImageSize(height: view.height, width: view.width), name: name)
        let image = try PreparedImage(
            channels: Self.channels, height: geometry.prepared.height, width: geometry.prepared.width)
        try prepare(view, geometry, name: name, into: image.pointer, threads: threads)
        return image
    }

    /// Prepares several images, each on one thread where there are several; the numbers do not depend on how many.
    /// - Throws: as ``prepare(_:name:threads:)``, about the first image that has a fault, as "image" and its index.
    public func prepare(_ views: [ImageView], threads: Int? = nil) throws(Failure) -> [PreparedImage] {
        try PreparedImage.all(views.count, threads: threads) { index, threads throws(Failure) in
            try prepare(views[index], name: "image \(index)", threads: threads)
        }
    }

    /// The picture that a prepared image shows, `[height, width, 3]`: normalization undone, to whole levels.
    public func levels(of image: PreparedImage) -> [UInt8] {
        let pixels = image.height * image.width
        let values = image.values
        return (0..<pixels * Self.channels).map { index in
            let plane = index % Self.channels
            let level = scale.level(values[plane * pixels + index / Self.channels], plane: plane)
            return UInt8(max(0, min(255, level.rounded())))
        }
    }

    private func geometry(of size: ImageSize, name: String) throws(Failure) -> ImageGeometry {
        try ImageGeometry(image: size, resize: resize, crop: crop, pad: pad, name: name)
    }

    private func prepare(
        _ view: ImageView, _ geometry: ImageGeometry, name: String, into destination: UnsafeMutablePointer<Float>,
        threads: Int?
    ) throws(Failure) {
        fillMargins(geometry, destination)
        let (vertical, horizontal) = (geometry.vertical, geometry.horizontal)
        // First element of a row of the window, in a plane.
        func place(_ plane: Int, _ row: Int) -> UnsafeMutablePointer<Float> {
            destination + ((plane * vertical.prepared + vertical.place + row) * horizontal.prepared + horizontal.place)
        }
        switch view.element {
        case .unsigned8:
            let table = scale.table
            try resampling(view, geometry, UInt8.self, name: name).run(threads: threads) { row, planes, distance in
                table.withUnsafeBufferPointer { table in
                    for plane in 0..<Self.channels {
                        let (source, place) = (planes + plane * distance, place(plane, row))
                        for column in 0..<distance { place[column] = table[plane << 8 | Int(source[column])] }
                    }
                }
            }
        case .float32:
            try resampling(view, geometry, Float.self, name: name).run(threads: threads) { row, planes, distance in
                for plane in 0..<Self.channels {
                    let (source, place) = (planes + plane * distance, place(plane, row))
                    for column in 0..<distance {
                        place[column] = scale.value(Double(source[column]) * 255, plane: plane)
                    }
                }
            }
        }
    }

    private func resampling<Element: Sample>(
        _ view: ImageView, _ geometry: ImageGeometry, _: Element.Type, name: String
    ) -> Resampling<Element> {
        func weights(_ axis: ImageGeometry.Axis) -> ResamplingWeights<Element> {
            ResamplingWeights(inputs: axis.pixels, outputs: axis.resized, window: axis.window, filter: filter)
        }
        return Resampling(
            view: view, name: name, horizontal: weights(geometry.horizontal), vertical: weights(geometry.vertical))
    }

    /// Black around an image that is smaller than its crop, zeros where it is padded.
    private func fillMargins(_ geometry: ImageGeometry, _ destination: UnsafeMutablePointer<Float>) {
        let (vertical, horizontal) = (geometry.vertical, geometry.horizontal)
        if vertical.window.count == vertical.prepared, horizontal.window.count == horizontal.prepared { return }
        for plane in 0..<Self.channels {
            let black = scale.value(0, plane: plane)
            for row in 0..<vertical.prepared {
                let line = destination + (plane * vertical.prepared + row) * horizontal.prepared
                let inside = row < vertical.cropped ? horizontal.cropped : 0
                line.update(repeating: black, count: inside)
                (line + inside).update(repeating: 0, count: horizontal.prepared - inside)
            }
        }
    }
}
