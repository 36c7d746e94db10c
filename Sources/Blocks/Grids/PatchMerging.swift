public import NestlingBasics
public import NestlingTensors

/// Four neighbours of a grid become one row of twice the size (Swin, Liu et al., arXiv 2103.14030):
///
///     y = W norm([x(2i, 2j), x(2i + 1, 2j), x(2i, 2j + 1), x(2i + 1, 2j + 1)]),   W of shape [2 hidden, 4 hidden]
///
/// Past the lower and right edges of a grid of odd sides lie zeros, which the norm sees.
public struct PatchMerging: Downsampling {
    private let norm: any Norm
    private let reduction: any Linear

    /// Reads `{"hidden_size", "norm", "reduction"}`; the hidden size is that before merging.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        inputSize = try fields.integer("hidden_size", in: 1...Int(Int32.max))
        guard let norm = try fields.norm("norm", weights) else {
            throw Failure(.corrupt, "\(fields.name): key \"norm\" is missing; expected a norm")
        }
        guard norm.size == 4 * inputSize else {
            throw Failure(.corrupt, "\(fields.name).norm: has size \(norm.size), expected 4 x \(inputSize)")
        }
        self.norm = norm
        reduction = try fields.linear("reduction", outputs: 2 * inputSize, inputs: 4 * inputSize, weights)
    }

    public let inputSize: Int
    public var outputSize: Int { reduction.outputs }
    public var parameters: Int { norm.parameters + reduction.parameters }
    public var multiplyAddsPerToken: Int { reduction.multiplyAdds }

    public func grid(after grid: PatchGrid) -> PatchGrid {
        PatchGrid(rows: grid.rows - grid.rows / 2, columns: grid.columns - grid.columns / 2)
    }

    public func place(after row: Int, _ column: Int) -> (row: Int, column: Int) { (row / 2, column / 2) }

    public func extent(after extent: StreamExtent) -> StreamExtent {
        guard let grids = extent.grids else {
            // A grid of one line keeps half of its patches, rounded up; others keep less.
            return StreamExtent(rows: (extent.rows + extent.sequences) / 2, sequences: extent.sequences)
        }
        let merged = grids.map(grid(after:))
        return StreamExtent(
            rows: merged.reduce(0) { $0 + $1.count }, sequences: extent.sequences, grids: merged)
    }

    public func workspaceFloats(_ extent: StreamExtent) -> Int {
        Workspace.spreadFloats(self.extent(after: extent).rows, 4 * inputSize)
    }

    public func apply(_ stream: Matrix, into output: Matrix, _ context: ForwardContext) throws(Failure) {
        let mark = context.workspace.mark
        let neighbours = try context.workspace.takeSpread(output.rows, 4 * inputSize)
        var first = 0
        for (sequence, old) in context.grids.enumerated() {
            let new = grid(after: old)
            let target = neighbours.rows(first..<first + new.count)
            gather(
                stream.rows(context.offsets[sequence]..<context.offsets[sequence + 1]), old, into: target, new, context)
            first += new.count
        }
        norm.apply(neighbours, into: neighbours, threads: context.threads)
        neighbours.multiply(Product(reduction, output: output), threads: context.threads)
        context.workspace.release(to: mark)
    }

    /// Lays the four neighbours of each new patch side by side.
    private func gather(
        _ rows: Matrix, _ old: PatchGrid, into target: Matrix, _ new: PatchGrid, _ context: ForwardContext
    ) {
        parallel(new.rows, threads: context.threads) { row in
            for column in 0..<new.columns {
                for part in 0..<4 {
                    let (y, x) = (2 * row + part % 2, 2 * column + part / 2)
                    let place = target.row(row * new.columns + column) + part * inputSize
                    if y < old.rows, x < old.columns {
                        place.update(from: rows.row(y * old.columns + x), count: inputSize)
                    } else {
                        place.update(repeating: 0, count: inputSize)
                    }
                }
            }
        }
    }
}
