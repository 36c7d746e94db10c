public import NestlingBasics

/// Attention in windows of an image's grid, every other time shifted (Swin, Liu et al., arXiv 2103.14030): each window becomes a
/// sequence of its own.
///
/// Windows are `size` x `size`, or as large as the shorter side of a grid that has less, and then not shifted. Grids whose sides
/// are no multiple of that are padded below and on the right by rows of zeros, which take part as any other. Shifted windows
/// begin `shift` further down and right, and those that pass an edge go on at the opposite one; the parts of such a window,
/// which lie apart in the image, do not meet. So each part is a sequence: what transformers masks by adding -100 to its score
/// is not computed.
public struct ImageWindows: Sendable {
    /// Rows and columns of a window.
    public let size: Int
    /// Rows and columns by which windows are shifted.
    public let shift: Int

    /// Sides are bounded so that positions of window rows fit in 32 bits.
    static let sizes = 1...4096

    /// Reads `{"size", "shift"?}`.
    public init(_ fields: JSONFields) throws(Failure) {
        size = try fields.integer("size", in: Self.sizes)
        shift = try fields.integer("shift", in: 0...size - 1, default: 0)
    }

    /// One axis of a grid, cut into windows.
    struct Axis {
        /// Elements of a window.
        let window: Int
        /// Elements with padding: a multiple of ``window``.
        let padded: Int
        let shift: Int

        /// The parts of window `index` whose elements meet, as elements of the window.
        func parts(_ index: Int) -> [Range<Int>] {
            guard shift > 0, (index + 1) * window == padded else { return [0..<window] }
            return [0..<window - shift, window - shift..<window]
        }

        /// Windows.
        var count: Int { padded / window }

        /// Ordered pairs of elements that meet.
        var pairs: Int {
            let whole = count * window * window
            return shift == 0 ? whole : whole - 2 * shift * (window - shift)
        }
    }

    /// The axes of `grid`: down and across.
    func axes(of grid: PatchGrid) -> (down: Axis, across: Axis) {
        let shorter = min(grid.rows, grid.columns)
        let window = min(size, shorter)
        func axis(_ length: Int) -> Axis {
            Axis(
                window: window, padded: (length + window - 1) / window * window, shift: shorter <= size ? 0 : shift)
        }
        return (axis(grid.rows), axis(grid.columns))
    }

    /// Ordered pairs of patches that meet, padding included.
    func pairs(in grid: PatchGrid) -> Double {
        let (down, across) = axes(of: grid)
        return Double(down.pairs) * Double(across.pairs)
    }

    /// Rows of all windows of a group.
    func rows(_ extent: StreamExtent) -> Int {
        guard let grids = extent.grids else {
            // A side is padded most where it has one element more than a window: (2 size / (size + 1))^2 as many rows.
            return extent.rows * 4 * size * size / ((size + 1) * (size + 1)) + 1
        }
        return grids.reduce(0) { sum, grid in
            let (down, across) = axes(of: grid)
            return sum + down.padded * across.padded
        }
    }

    /// The windows of `grids`, images back to back.
    func layout(of grids: [PatchGrid]) -> WindowLayout {
        var layout = WindowLayout(rows: grids.reduce(0) { $0 + $1.count })
        var first = 0
        for grid in grids {
            add(grid, firstRow: first, to: &layout)
            first += grid.count
        }
        return layout
    }

    private func add(_ grid: PatchGrid, firstRow: Int, to layout: inout WindowLayout) {
        let (down, across) = axes(of: grid)
        for i in 0..<down.count {
            for j in 0..<across.count {
                for high in down.parts(i) {
                    for wide in across.parts(j) {
                        for y in high {
                            let row = (i * down.window + y + down.shift) % down.padded
                            for x in wide {
                                let column = (j * across.window + x + across.shift) % across.padded
                                let isPatch = row < grid.rows && column < grid.columns
                                layout.append(
                                    row: isPatch ? firstRow + row * grid.columns + column : nil,
                                    position: y * (2 * size - 1) + x)
                            }
                        }
                        layout.endSequence()
                    }
                }
            }
        }
    }
}
