public import NestlingBasics
import Glibc
public import NestlingKernels
import NestlingTensors

/// A learned bias for each head and bucket of distances (T5, arXiv 1910.10683; MPNet). Half of the buckets are for keys
/// after the query; of each half, the first half are single distances and the rest widen logarithmically up to
/// `max_distance`:
///
///     bucket(d) = |d|                                                   if |d| < n / 4
///               = n/4 + floor(log(|d| / (n/4)) / log(max / (n/4)) * n/4), at most n/2 - 1, otherwise
///     plus n / 2 if the key comes later
public struct RelativeBias: Support {
    /// Floats of the largest table that is made of the learned one: 64 MiB.
    private static let largestTable = 1 << 24

    private let table: Vector
    private let radius: Int32
    public let heads: Int?

    /// Reads `{"weight", "heads", "buckets", "max_distance"}`; the weight has shape `[buckets, heads]`.
    public init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        let heads = try fields.integer("heads", in: 1...65536)
        let buckets = try fields.integer("buckets", in: 4...65536)
        let maximum = try fields.integer("max_distance", in: 2...8192)
        let learned = try weights.values(try fields.string("weight"), shape: [buckets, heads])
        // From `maximum` on, all distances share the last bucket.
        let width = 2 * maximum + 1
        guard heads * width <= Self.largestTable else {
            throw Failure(
                .unsupported,
                "\(fields.name): \(heads) heads and a max_distance of \(maximum) are more than is supported")
        }
        var table = [Float](repeating: 0, count: heads * width)
        for distance in -maximum...maximum {
            let bucket = RelativeBias.bucket(distance, buckets: buckets, maximum: maximum)
            for head in 0..<heads { table[head * width + distance + maximum] = learned[bucket * heads + head] }
        }
        self.table = try Vector(table)
        self.heads = heads
        radius = Int32(maximum)
    }

    /// The bucket of `distance` = key position - query position.
    static func bucket(_ distance: Int, buckets: Int, maximum: Int) -> Int {
        let half = buckets / 2
        let exact = half / 2
        let upper = distance > 0 ? half : 0
        let absolute = abs(distance)
        if absolute < exact { return upper + absolute }
        // In float32, as the reference implementations compute it: the edges of buckets depend on the rounding.
        let share = logf(Float(absolute) / Float(exact)) / Float(log(Double(maximum) / Double(exact)))
        let wider = share * Float(half - exact)
        // Not a number where `maximum` is `exact`: there are no wider buckets then.
        return upper + (wider < Float(half - 1 - exact) ? exact + Int(wider) : half - 1)
    }

    public func describe(_ arguments: inout nk_attention_f32_arguments) {
        arguments.relative_bias = table.pointer
        arguments.relative_radius = radius
    }
}
