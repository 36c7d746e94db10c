public import NestlingBasics
public import NestlingCheckpoints

extension Architecture {
    /// The tensors of `checkpoint` that the network, all its heads included, is made of, each once.
    ///
    /// - Throws: as loading does, if one is missing or of another shape.
    public func tensors(in checkpoint: Checkpoint) throws(Failure) -> [Tensor] {
        var found: [Tensor] = []
        var names: Set<String> = []
        let weights = CheckedWeights(checkpoint) { tensor, _ in
            if names.insert(tensor.name).inserted { found.append(tensor) }
        }
        let parts = try NetworkParts(self, weights)
        _ = try NetworkParts.pooler(self, weights)
        _ = try NetworkParts.jointSimilarity(self, weights)
        for kind in HeadKind.allCases where heads[kind] != nil { _ = try parts.head(kind, self, weights) }
        return found
    }
}
