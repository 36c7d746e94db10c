public import NestlingBasics
import NestlingTensors

/// An image as a network takes it: float32 `[channels, height, width]` without gaps, aligned to 64 bytes.
///
/// Written by whoever made it and only read afterwards.
public struct PreparedImage: Sendable {
    /// Planes: colours.
    public let channels: Int
    /// Rows of a plane.
    public let height: Int
    /// Pixels of a row.
    public let width: Int
    private let storage: AlignedStorage

    /// The first element; valid as long as the image, which `withExtendedLifetime` must keep while it is used.
    public var pointer: UnsafeMutablePointer<Float> { storage.pointer }
    /// Elements in all.
    public var count: Int { channels * height * width }
    /// A copy of all elements.
    public var values: [Float] {
        withExtendedLifetime(storage) { Array(UnsafeBufferPointer(start: storage.pointer, count: count)) }
    }

    /// Makes room for an image, not initialized.
    /// - Throws: `.invalidArgument` if a size is not positive, `.outOfMemory`.
    public init(channels: Int, height: Int, width: Int) throws(Failure) {
        guard channels > 0, height > 0, width > 0 else {
            throw Failure(
                .invalidArgument, "a prepared image of \(channels) x \(height) x \(width); all must be positive")
        }
        let pixels = try height.multiplied(by: width, "pixels of a prepared image")
        storage = try AlignedStorage(count: pixels.multiplied(by: channels, "elements of a prepared image"))
        self.channels = channels
        self.height = height
        self.width = width
    }

    /// Copies pixels that the caller has prepared already: any finite numbers, in any strides.
    /// - Throws: `.invalidArgument` if they are not float32, or one of them is not a finite number; `.outOfMemory`.
    public init(copying view: ImageView, name: String = "image") throws(Failure) {
        guard view.element == .float32 else {
            throw Failure(.invalidArgument, "\(name): prepared pixels must be float32")
        }
        try self.init(channels: view.channels, height: view.height, width: view.width)
        var next = pointer
        for channel in 0..<channels {
            for row in 0..<height {
                for column in 0..<width {
                    let value = view.address(row: row, column: column, channel: channel).loadUnaligned(as: Float.self)
                    guard value.isFinite else {
                        throw Failure(
                            .invalidArgument,
                            "\(name): channel \(channel) of the pixel in row \(row), column \(column) is \(value)")
                    }
                    next.pointee = value
                    next += 1
                }
            }
        }
    }
}

extension PreparedImage {
    /// `count` images that `make` makes, on up to `threads` threads (`nil`: as set for the process): a single one may use
    /// all of them, each of several gets one.
    /// - Throws: what `make` throws for the first image for which it does.
    public static func all(
        _ count: Int, threads: Int?, _ make: (_ index: Int, _ threads: Int?) throws(Failure) -> PreparedImage
    ) throws(Failure) -> [PreparedImage] {
        if count == 1 { return [try make(0, threads)] }
        var results = [Result<PreparedImage, Failure>](
            repeating: .failure(Failure(.internal, "an image was not prepared")), count: count)
        results.withUnsafeMutableBufferPointer { results in
            // Tasks write to places of their own.
            nonisolated(unsafe) let results = results
            parallel(count, threads: threads) { index in
                do throws(Failure) {
                    results[index] = .success(try make(index, 1))
                } catch {
                    results[index] = .failure(error)
                }
            }
        }
        var images: [PreparedImage] = []
        for result in results { images.append(try result.get()) }
        return images
    }
}
