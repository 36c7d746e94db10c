public import NestlingBasics
public import NestlingKernels
import NestlingTensors

/// A learned bias for each head and pair of distances, down and across, of two patches in a window of `n` x `n` (Swin, Liu et
/// al., arXiv 2103.14030):
///
///     bias(i, j) = table[(y_i - y_j + n - 1) (2n - 1) + x_i - x_j + n - 1, head]
///
/// With positions `p = y (2n - 1) + x` (``WindowLayout``) the row of the table is `p_i - p_j + R`, `R = 2n (n - 1)`: distances in
/// two dimensions are distances in one, and the kernel's relative bias serves. Windows of less than `n` use the middle of the
/// table.
public struct WindowBias: Support {
    private let table: Vector
    private let radius: Int32
    public let heads: Int?
    public let windowSize: Int?

    /// Reads `{"weight", "heads", "size"}`; the weight has shape `[(2 size - 1)^2, heads]`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        let heads = try fields.integer("heads", in: 1...65536)
        let size = try fields.integer("size", in: ImageWindows.sizes)
        let width = (2 * size - 1) * (2 * size - 1)
        let learned = try weights.values(try fields.string("weight"), shape: [width, heads])
        // The kernel counts distances from the query to the key, the table from the key to the query.
        var table = [Float](repeating: 0, count: learned.count)
        for row in 0..<width {
            for head in 0..<heads { table[head * width + width - 1 - row] = learned[row * heads + head] }
        }
        self.table = try Vector(table)
        self.heads = heads
        windowSize = size
        radius = Int32(2 * size * (size - 1))
    }

    public func describe(_ arguments: inout nk_attention_f32_arguments) {
        arguments.relative_bias = table.pointer
        arguments.relative_radius = radius
    }
}
