public import NestlingBasics
import NestlingImages
public import NestlingTensors

/// Images to the first hidden states (ViT, Dosovitskiy et al., arXiv 2010.11929): rows that stand for no part of the image
/// (class, distillation, registers), then its patches, row by row. A patch is a vector of `channels * height * width` pixels
/// times a matrix, which is what a convolution with a stride of its own size does, plus the position of the patch.
///
/// Images may have any size: positions of another grid than that of training are interpolated (``CubicTaps``). Swin (Liu et al.,
/// arXiv 2103.14030) has none or adds them after the norm, and fills up patches at the edges with zeros.
public struct PatchEmbedding: Embedding {
    private let format: ImageFormat
    private let patches: any Linear
    private let prefix: Vector
    private let positions: PatchPositions?
    private let addsPositionsLast: Bool
    private let norm: (any Norm)?

    /// Reads `{"image": [height, width], "patches": linear layer whose shape is that of the convolution, [hidden, channels,
    /// height, width], "prefix"?: [{"weight", "shape", "position"}], "positions"?: {"weight", "shape"}, "antialias"?, "norm"?,
    /// "positions_after_norm"?, "fill_edges"?}`.
    ///
    /// `positions` has a row for each part of the prefix whose `position` is true, then one for each patch of the grid. The
    /// last number of each shape is the hidden size.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        patches = try weights.linear(fields["patches"], path: "\(fields.name).patches")
        let kernel = try fields.object("patches").integers("shape", in: 1...Int(Int32.max))
        let size = try fields.integers("image", in: 1...Int(Int32.max))
        guard kernel.count == 4, size.count == 2, size[0] >= kernel[2], size[1] >= kernel[3] else {
            throw Failure(
                .corrupt,
                "\(fields.name): expected patches of shape [hidden, channels, height, width] and an image of [height, width] with room for one"
            )
        }
        let hidden = patches.outputs
        let (table, tableRows) = try fields.optionalObject("positions")?.rows(of: hidden, weights) ?? ([], 0)
        var rows: [Float] = []
        var positioned = 0
        for part in try fields.optionalObjects("prefix") ?? [] {
            var (values, count) = try part.rows(of: hidden, weights)
            if try part.bool("position", default: fields["positions"] != nil) {
                guard positioned + count <= tableRows else {
                    throw Failure(.corrupt, "\(part.name): there are \(tableRows) positions, too few for the prefix")
                }
                for index in values.indices { values[index] += table[positioned * hidden + index] }
                positioned += count
            }
            rows += values
        }
        format = ImageFormat(
            channels: kernel[1], height: size[0], width: size[1], patchHeight: kernel[2], patchWidth: kernel[3],
            prefixTokens: rows.count / hidden, fillsEdges: try fields.bool("fill_edges", default: false))
        prefix = try Vector(rows)
        if table.isEmpty {
            positions = nil
        } else {
            // Whole patches, also where edges are filled up: so transformers counts them.
            let grid = PatchGrid(rows: size[0] / kernel[2], columns: size[1] / kernel[3])
            let expected = try grid.rows.multiplied(by: grid.columns, fields.name).added(to: positioned, fields.name)
            guard tableRows == expected else {
                throw Failure(
                    .corrupt,
                    "\(fields.name).positions: has \(tableRows) rows, expected \(positioned) + \(grid.rows) x \(grid.columns)"
                )
            }
            positions = PatchPositions(
                try Vector(Array(table[(positioned * hidden)...])), grid, columns: hidden,
                antialias: try fields.bool("antialias", default: false))
        }
        norm = try fields.norm("norm", weights)
        addsPositionsLast = try fields.bool("positions_after_norm", default: false)
        guard !addsPositionsLast || rows.isEmpty else {
            throw Failure(.unsupported, "\(fields.name).positions_after_norm: does not go with a prefix")
        }
        if let norm, norm.size != hidden {
            throw Failure(.corrupt, "\(fields.name).norm: is for rows of \(norm.size) elements, patches have \(hidden)")
        }
    }

    public var hiddenSize: Int { patches.outputs }
    public var parameters: Int {
        patches.parameters + prefix.count + (positions?.grid.count ?? 0) * hiddenSize + (norm?.parameters ?? 0)
    }
    public var multiplyAddsPerToken: Int { patches.multiplyAdds }
    public var vocabularySize: Int { 0 }
    public var tokenTypes: Int { 0 }
    public var maximumTokens: Int? { nil }
    public var image: ImageFormat? { format }

    public func workspaceFloats(rows: Int) -> Int {
        Workspace.floats(rows, addsPositionsLast ? max(patches.inputs, hiddenSize) : patches.inputs)
    }

    public func apply(_ input: EmbeddingInput, into stream: Matrix, _ context: ForwardContext) throws(Failure) {
        guard case .images(let images) = input else {
            throw Failure(.internal, "an embedding of images was given token ids")
        }
        let mark = context.workspace.mark
        let room = try context.workspace.take(stream.rows, patches.inputs)
        for (sequence, image) in images.enumerated() {
            let rows = stream.rows(context.offsets[sequence]..<context.offsets[sequence + 1])
            for row in 0..<format.prefixTokens {
                rows.row(row).update(from: prefix.pointer + row * hiddenSize, count: hiddenSize)
            }
            let grid = format.grid(height: image.height, width: image.width)
            let output = rows.rows(format.prefixTokens..<rows.rows)
            let pixels = room.prefix(rows: grid.count)
            gather(image, grid, into: pixels, threads: context.threads)
            guard let positions, !addsPositionsLast else {
                pixels.multiply(Product(patches, output: output), threads: context.threads)
                continue
            }
            try positions.withTable(of: grid, room: output) { table in
                pixels.multiply(
                    Product(patches, residual: table, output: output), threads: context.threads)
            }
        }
        norm?.apply(stream, into: stream, threads: context.threads)
        context.workspace.release(to: mark)
        if addsPositionsLast { try addPositions(to: stream, context) }
    }

    /// Adds to the rows of each image the positions of its grid.
    private func addPositions(to stream: Matrix, _ context: ForwardContext) throws(Failure) {
        guard let positions else { return }
        let mark = context.workspace.mark
        let room = try context.workspace.take(stream.rows, hiddenSize)
        for (sequence, grid) in context.grids.enumerated() {
            let rows = stream.rows(context.offsets[sequence]..<context.offsets[sequence + 1])
            try positions.withTable(of: grid, room: room.prefix(rows: grid.count)) { table in
                parallel(grid.rows, threads: context.threads) { line in
                    for row in line * grid.columns..<(line + 1) * grid.columns {
                        let (target, source) = (rows.row(row), table.row(row))
                        for index in 0..<hiddenSize { target[index] += source[index] }
                    }
                }
            }
        }
        context.workspace.release(to: mark)
    }

    /// Writes the pixels of each patch to a row, in the order of the convolution's weight: `[channels, height, width]`; zeros for
    /// those past the edges of the image.
    private func gather(_ image: PreparedImage, _ grid: PatchGrid, into output: Matrix, threads: Int) {
        let (height, width) = (format.patchHeight, format.patchWidth)
        parallel(grid.rows, threads: threads) { row in
            for channel in 0..<format.channels {
                for line in 0..<height {
                    let y = row * height + line
                    let source = image.pointer + (channel * image.height + min(y, image.height - 1)) * image.width
                    for column in 0..<grid.columns {
                        let target = output.row(row * grid.columns + column) + (channel * height + line) * width
                        let count = y < image.height ? min(width, image.width - column * width) : 0
                        target.update(from: source + column * width, count: count)
                        (target + count).update(repeating: 0, count: width - count)
                    }
                }
            }
        }
    }
}

extension JSONFields {
    /// The elements of the tensor `{"weight", "shape"}`, rows of `columns`, and how many rows they are.
    fileprivate func rows(of columns: Int, _ weights: any WeightSource) throws(Failure) -> ([Float], Int) {
        let shape = try integers("shape", in: 1...Int(Int32.max))
        guard shape.last == columns else {
            throw Failure(.corrupt, "\(name).shape: ends with \(shape.last ?? 0), expected \(columns)")
        }
        let values = try weights.values(try string("weight"), shape: shape)
        return (values, values.count / columns)
    }
}
