import NestlingBasics
import NestlingBlocks
import Glibc

/// How a checkpoint scores a text with an image: `scale * <t / |t|, i / |i|> + bias`, of their vectors.
public struct JointSimilarity: Sendable, Equatable {
    /// The exponential of the learned scale.
    public let scale: Float
    /// 0 in families that learn none.
    public let bias: Float

    /// Reads what ``Architecture/jointSimilarity`` names.
    init(_ fields: JSONFields, _ weights: any WeightSource) throws(Failure) {
        let shape = try fields.integers("shape", in: 1...1)
        scale = expf(try weights.values(fields.string("scale"), shape: shape).first ?? 0)
        bias =
            try fields.optionalString("bias").map { name throws(Failure) in
                try weights.values(name, shape: shape).first ?? 0
            } ?? 0
    }
}

extension NetworkParts {
    /// How vectors are scored, if the network is one of two towers.
    static func jointSimilarity(
        _ architecture: Architecture, _ weights: any WeightSource
    ) throws(Failure) -> JointSimilarity? {
        guard let node = architecture.jointSimilarity.object else { return nil }
        return try JointSimilarity(JSONFields(node, name: "joint_similarity"), weights)
    }
}
