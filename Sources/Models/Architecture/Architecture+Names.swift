public import NestlingBasics

extension Architecture {
    /// All that names tensors, but the blocks.
    public var partsBesideBlocks: [JSON] {
        [embedding, readout, finalNorm, pooler, jointSimilarity] + heads.values
    }

    /// The names of the tensors that these use.
    public var tensorNamesBesideBlocks: Set<String> { Set(partsBesideBlocks.flatMap(\.tensorNames)) }
}

extension JSON {
    /// Calls `visit` with the name of each tensor of a part's node, and whether it belongs to a matrix, whose shape the node says.
    public func forEachTensor(_ visit: (_ name: String, _ isOfMatrix: Bool) -> Void) {
        switch self {
        case .array(let elements): for element in elements { element.forEachTensor(visit) }
        case .object(let object):
            let isMatrix = object["shape"] != nil
            for (key, value) in object.members {
                if JSON.tensorKeys.contains(key), let name = value.string {
                    visit(name, isMatrix)
                } else {
                    value.forEachTensor(visit)
                }
            }
        default: break
        }
    }

    /// The names of the tensors of a part's node, in order.
    public var tensorNames: [String] {
        var names: [String] = []
        forEachTensor { name, _ in names.append(name) }
        return names
    }

    /// For each linear layer with a bias or a scale: the names of these and of its matrix.
    public var vectorsOfLinears: [[String]] {
        switch self {
        case .array(let elements): return elements.flatMap(\.vectorsOfLinears)
        case .object(let object):
            guard object["shape"] != nil else { return object.members.flatMap(\.value.vectorsOfLinears) }
            let names = JSON.tensorKeys.compactMap { object[$0]?.string }
            return names.count > 1 ? [names] : []
        default: return []
        }
    }

    /// The keys of nodes under which names of tensors stand.
    public static let tensorKeys = ["weight", "bias", "scale", "probe"]
}
