public import NestlingBasics

/// The pixels of an image as the caller holds them: any order of rows, pixels and channels, 8-bit or float.
///
/// The initializer checks sizes and strides, so that whoever reads through a view computes offsets without checks. The
/// memory belongs to the caller and must stay as it is while the view is used. Channels are 1 (gray, taken as three equal
/// ones), 3 (red, green, blue) or 4 (the fourth is alpha, and the picture is laid on white).
public struct ImageView: @unchecked Sendable {
    /// How one channel of one pixel is stored.
    public enum Element: Sendable {
        /// 0...255.
        case unsigned8
        /// 0...1, in the byte order of the processor; no alignment is needed.
        case float32

        /// Bytes of one.
        public var size: Int {
            switch self {
            case .unsigned8: 1
            case .float32: 4
            }
        }
    }

    /// What strides that are not given follow from.
    public enum Layout: Sendable {
        /// `[height, width, channels]`, as decoders write it.
        case interleaved
        /// `[channels, height, width]`, as networks read it.
        case planar
    }

    /// The longest side: what JPEG files can say, and enough for a coordinate to be exact in any arithmetic used here.
    public static let longestSide = 65_535
    /// The most pixels: one gigabyte as RGBA. Larger ones are mistakes or attacks more often than pictures.
    public static let mostPixels = 1 << 28
    /// The most bytes between the first and the last element: no process on 64-bit Linux addresses more.
    static let greatestExtent = 1 << 47

    /// The first channel of the first pixel of the first row.
    public let base: UnsafeRawPointer
    /// How a channel is stored.
    public let element: Element
    /// Pixels of a row.
    public let width: Int
    /// Rows.
    public let height: Int
    /// 1, 3 or 4.
    public let channels: Int
    /// Bytes from a row to the next; negative if the first row lies last in memory.
    public let rowStride: Int
    /// Bytes from a pixel to the next in its row.
    public let pixelStride: Int
    /// Bytes from a channel of a pixel to the next.
    public let channelStride: Int

    /// Describes pixels.
    ///
    /// - Parameters:
    ///   - layout: what strides that are `nil` follow from: rows, pixels and channels without gaps.
    ///   - name: what messages call the image.
    /// - Throws: `.invalidArgument` for sizes that are not positive or past ``longestSide`` and ``mostPixels``, for other
    ///   numbers of channels, and for strides that reach outside of any address space.
    public init(
        base: UnsafeRawPointer, element: Element, width: Int, height: Int, channels: Int, layout: Layout = .interleaved,
        rowStride: Int? = nil, pixelStride: Int? = nil, channelStride: Int? = nil, name: String = "image"
    ) throws(Failure) {
        guard width > 0, height > 0 else {
            throw Failure(.invalidArgument, "\(name) has \(width) x \(height) pixels; both must be positive")
        }
        guard width <= Self.longestSide, height <= Self.longestSide, width * height <= Self.mostPixels else {
            throw Failure(
                .invalidArgument,
                "\(name) has \(width) x \(height) pixels; the most are \(Self.longestSide) on a side and \(Self.mostPixels) in all"
            )
        }
        guard channels == 1 || channels == 3 || channels == 4 else {
            throw Failure(.invalidArgument, "\(name) has \(channels) channels; expected 1, 3 or 4")
        }
        let size = element.size
        self.base = base
        self.element = element
        self.width = width
        self.height = height
        self.channels = channels
        // The sizes are small enough for the strides of memory without gaps to fit.
        switch layout {
        case .interleaved:
            self.channelStride = channelStride ?? size
            self.pixelStride = pixelStride ?? channels * size
            self.rowStride = rowStride ?? width * channels * size
        case .planar:
            self.pixelStride = pixelStride ?? size
            self.rowStride = rowStride ?? width * size
            self.channelStride = channelStride ?? height * width * size
        }
        try checkReach(name)
    }

    /// The bytes before and after ``base`` that elements lie in.
    private func checkReach(_ name: String) throws(Failure) {
        var before = 0
        var after = element.size
        for (stride, steps) in [(rowStride, height - 1), (pixelStride, width - 1), (channelStride, channels - 1)] {
            let (distance, overflow) = stride.multipliedReportingOverflow(by: steps)
            guard !overflow, distance.magnitude <= Self.greatestExtent.magnitude else {
                throw Failure(.invalidArgument, "\(name): a stride of \(stride) bytes reaches outside of any memory")
            }
            if distance < 0 { before += -distance } else { after += distance }
        }
        let address = UInt(bitPattern: base)
        guard before + after <= Self.greatestExtent, UInt(before) <= address,
            !address.addingReportingOverflow(UInt(after)).overflow
        else {
            throw Failure(
                .invalidArgument,
                "\(name): strides of \(rowStride), \(pixelStride) and \(channelStride) bytes reach outside of any memory"
            )
        }
    }

    /// The address of a channel of a pixel.
    @inline(__always)
    func address(row: Int, column: Int, channel: Int) -> UnsafeRawPointer {
        base + (row * rowStride + column * pixelStride + channel * channelStride)
    }
}
