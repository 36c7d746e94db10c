import NestlingBasics

/// Height and width in pixels.
public struct ImageSize: Sendable, Equatable, CustomStringConvertible {
    /// Rows.
    public var height: Int
    /// Pixels of a row.
    public var width: Int

    /// The size of `height` rows of `width` pixels.
    public init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }

    /// For messages: width first, as people write it.
    public var description: String { "\(width) x \(height)" }
}

/// To which size an image is resized: the forms of `"size"` in preprocessor_config.json.
public enum ResizeRule: Sendable, Equatable {
    /// `{"height", "width"}`: exactly this, whatever the shape of the image.
    case exactly(ImageSize)
    /// `{"shortest_edge"}`, with `"longest_edge"` as the most that the longer side may have; the shape is kept.
    case shortestEdge(Int, longest: Int?)
    /// `{"max_height", "max_width"}`: as large as fits; the shape is kept.
    case fitting(ImageSize)

    /// The size that an image gets; sides that are not whole are cut, as transformers does it.
    /// - Throws: `.invalidArgument` if a side would have no pixel, or too many for a coordinate.
    func size(of image: ImageSize, name: String) throws(Failure) -> ImageSize {
        let (height, width) = (Double(image.height), Double(image.width))
        let result: (height: Double, width: Double)
        switch self {
        case .exactly(let size): return size
        case .shortestEdge(let edge, nil):
            let longer = (Double(edge) * max(height, width) / min(height, width)).rounded(.towardZero)
            result = width <= height ? (longer, Double(edge)) : (Double(edge), longer)
        case .shortestEdge(let edge, let longest?):
            result = Self.withAspectRatio(height, width, edge: Double(edge), longest: Double(longest))
        case .fitting(let most):
            let scale = min(Double(most.height) / height, Double(most.width) / width)
            result = (height * scale, width * scale)
        }
        let most = Double(1 << 24)
        guard result.height >= 1, result.width >= 1, result.height <= most, result.width <= most else {
            throw Failure(
                .invalidArgument,
                "\(name) of \(image) pixels would be resized to \(result.width.rounded(.down)) x \(result.height.rounded(.down))"
            )
        }
        return ImageSize(height: Int(result.height), width: Int(result.width))
    }

    /// The shorter side gets `edge` pixels, or as many fewer as keep the longer one at `longest`.
    private static func withAspectRatio(
        _ height: Double, _ width: Double, edge: Double, longest: Double
    ) -> (height: Double, width: Double) {
        let (shorter, longer) = (min(height, width), max(height, width))
        let isLimited = longer / shorter * edge > longest
        let exact = isLimited ? longest * shorter / longer : edge
        let edge = exact.rounded(.toNearestOrEven)
        if (height <= width && height == edge) || (width <= height && width == edge) { return (height, width) }
        return width < height ? (exact * height / width, edge) : (edge, exact * width / height)
    }
}
