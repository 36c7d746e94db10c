import Nestling

/// A picture of an image after each layer: every group of patches in the mean of its colours, with outlines.
struct GroupPicture {
    /// The image as the network sees it, `[height, width, 3]`.
    private let levels: [UInt8]
    private let height: Int
    private let width: Int
    private let format: ImageFormat
    /// Pixels of the picture for a pixel of the image, along a side: small images are hard to look at.
    private let scale: Int

    /// Panels beside each other.
    private static let panelsOfRow = 5
    private static let gap = 8
    private static let smallestPanel = 160
    private static let outline: [UInt8] = [255, 255, 255]

    init(levels: [UInt8], height: Int, width: Int, format: ImageFormat) {
        self.levels = levels
        self.height = height
        self.width = width
        self.format = format
        scale = max(1, (Self.smallestPanel + width - 1) / width)
    }

    /// A PNG file: the panels of `all` from left to right, row by row.
    func png(_ all: [TokenGroups]) -> [UInt8] {
        let columns = min(all.count, Self.panelsOfRow)
        let rows = (all.count + columns - 1) / columns
        let (panelWidth, panelHeight) = (width * scale, height * scale)
        let fullWidth = columns * panelWidth + (columns - 1) * Self.gap
        let fullHeight = rows * panelHeight + (rows - 1) * Self.gap
        var picture = [UInt8](repeating: 255, count: fullWidth * fullHeight * 3)
        for (index, groups) in all.enumerated() {
            let panel = groups.layer == 0 ? levels : merged(groups)
            let left = index % columns * (panelWidth + Self.gap)
            let top = index / columns * (panelHeight + Self.gap)
            for y in 0..<panelHeight {
                for x in 0..<panelWidth {
                    let isEdge = groups.layer > 0 && isEdge(x: x, y: y, groups)
                    let source = (y / scale * width + x / scale) * 3
                    let target = ((top + y) * fullWidth + left + x) * 3
                    for channel in 0..<3 {
                        picture[target + channel] = isEdge ? Self.outline[channel] : panel[source + channel]
                    }
                }
            }
        }
        return PNGWriter.file(width: fullWidth, height: fullHeight, pixels: picture)
    }

    /// What is at a pixel of the image.
    private enum Place: Equatable {
        /// A patch that is part of this group.
        case group(Int)
        /// A patch that was pruned.
        case pruned
        /// Less than a patch, at the right and lower edges.
        case margin
    }

    private func place(x: Int, y: Int, _ groups: TokenGroups) -> Place {
        let (column, row) = (x / format.patchWidth, y / format.patchHeight)
        let columns = width / format.patchWidth
        guard column < columns, row < height / format.patchHeight else { return .margin }
        let token = format.prefixTokens + row * columns + column
        guard token < groups.group.count else { return .margin }
        return groups.group[token].map { .group($0) } ?? .pruned
    }

    /// Whether another group begins to the right of a pixel of a panel, or below.
    private func isEdge(x: Int, y: Int, _ groups: TokenGroups) -> Bool {
        let own = place(x: x / scale, y: y / scale, groups)
        if x + 1 < width * scale, place(x: (x + 1) / scale, y: y / scale, groups) != own { return true }
        return y + 1 < height * scale && place(x: x / scale, y: (y + 1) / scale, groups) != own
    }

    /// The image with each group in its mean colour, and black where patches were pruned.
    private func merged(_ groups: TokenGroups) -> [UInt8] {
        var sums = [Int](repeating: 0, count: groups.sizes.count * 3)
        var pixels = [Int](repeating: 0, count: groups.sizes.count)
        for pixel in 0..<height * width {
            guard case .group(let group) = place(x: pixel % width, y: pixel / width, groups) else { continue }
            pixels[group] += 1
            for channel in 0..<3 { sums[group * 3 + channel] += Int(levels[pixel * 3 + channel]) }
        }
        var merged = levels
        for pixel in 0..<height * width {
            for channel in 0..<3 {
                switch place(x: pixel % width, y: pixel / width, groups) {
                case .group(let group):
                    merged[pixel * 3 + channel] = UInt8(clamping: sums[group * 3 + channel] / max(1, pixels[group]))
                case .pruned: merged[pixel * 3 + channel] = 0
                case .margin: break
                }
            }
        }
        return merged
    }
}
