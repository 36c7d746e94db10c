public import NestlingBasics
public import NestlingImages
public import NestlingModels

/// An image that a caller gives to a model.
public struct ImageInput: Sendable {
    /// The pixels.
    public let view: ImageView
    /// Whether they are as the network takes them; else they are prepared as the checkpoint says.
    public let isPrepared: Bool
    /// What messages call the image.
    public let name: String

    /// An image; `name` by default tells nothing.
    public init(_ view: ImageView, isPrepared: Bool = false, name: String = "image") {
        self.view = view
        self.isPrepared = isPrepared
        self.name = name
    }
}

extension Model {
    /// The sizes that images have for the network. Pixels are not read.
    /// - Throws: as ``prepare(_:threadCount:)``, for what sizes can tell.
    public func preparedSizes(
        _ images: [ImageInput]
    ) throws(Failure) -> [(channels: Int, height: Int, width: Int)] {
        var sizes: [(channels: Int, height: Int, width: Int)] = []
        for image in images {
            let view = image.view
            if image.isPrepared {
                sizes.append((view.channels, view.height, view.width))
            } else {
                let size = try imagePreparation().preparedSize(
                    of: ImageSize(height: view.height, width: view.width), name: image.name)
                sizes.append((ImagePreparation.channels, size.height, size.width))
            }
        }
        return sizes
    }

    /// A batch of `images`. What may be refused is looked at now: floats are prepared at once. Bytes are pixels whatever they are,
    /// and are prepared when they are run, so that a large batch needs no memory for all of them.
    ///
    /// - Throws: as ``prepare(_:threadCount:)``.
    public func batch(_ images: [ImageInput], threadCount: Int? = nil) throws(Failure) -> Batch {
        let sizes = try preparedSizes(images)
        let early = images.indices.filter { images[$0].view.element == .float32 }
        let prepared = try prepare(early.map { images[$0] }, threadCount: threadCount)
        let ready = Dictionary(uniqueKeysWithValues: zip(early, prepared))
        guard early.count < images.count else { return try Batch(prepared, for: network) }
        let preparation = try imagePreparation()
        return try Batch(sizes: sizes, for: network) { index, threads throws(Failure) in
            if let image = ready[index] { return image }
            return try preparation.prepare(images[index].view, name: images[index].name, threads: threads)
        }
    }

    /// The images as the network takes them, prepared on threads: those that are prepared already are copied.
    ///
    /// - Throws: `.unsupported` if pixels are to be prepared and the checkpoint does not say how, or in a way that this
    ///   library does not know; `.invalidArgument` for pixels that are none, by the name of the image.
    public func prepare(_ images: [ImageInput], threadCount: Int? = nil) throws(Failure) -> [PreparedImage] {
        let preparation = images.allSatisfy(\.isPrepared) ? nil : try imagePreparation()
        return try PreparedImage.all(images.count, threads: threadCount) { index, threads throws(Failure) in
            let image = images[index]
            guard !image.isPrepared, let preparation else {
                return try PreparedImage(copying: image.view, name: image.name)
            }
            return try preparation.prepare(image.view, name: image.name, threads: threads)
        }
    }
}
