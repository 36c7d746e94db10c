import NestlingBasics
import NestlingModels

/// What the tensors of a submodel are called: layers that are left are counted anew, by renaming their tensors.
///
/// A tensor that something else uses, too, keeps its name; where new names would meet, as descriptions by hand can have it, all
/// keep theirs.
struct TensorRenaming {
    /// What the tensors of each kept layer begin with.
    private(set) var prefixes: [String]
    /// The new name of each tensor that is kept, by its old one.
    private(set) var kept: [String: String] = [:]
    private let oldPrefixes: [String]
    private let fixed: Set<String>

    /// Renames the tensors `names` of a checkpoint for the `layers` that are kept of `whole`.
    init(_ whole: Architecture, _ layers: [Int], _ names: [String]) {
        let old = layers.map { whole.blocks[$0].prefix }
        let renumbered = Self.renumbered(layers, whole.blocks)
        self.init(whole, layers, names, from: old, to: renumbered)
        if Set(kept.values).count < kept.count { self.init(whole, layers, names, from: old, to: old) }
    }

    private init(
        _ whole: Architecture, _ layers: [Int], _ names: [String], from old: [String], to new: [String]
    ) {
        oldPrefixes = old
        prefixes = new
        var fixed = whole.tensorNamesBesideBlocks
        var users: [String: Int] = [:]
        for (index, layer) in layers.enumerated() {
            whole.blocks[layer].node.forEachTensor { name, _ in
                if users.updateValue(index, forKey: name) ?? index != index { fixed.insert(name) }
            }
        }
        self.fixed = fixed
        for name in names {
            if fixed.contains(name) {
                kept[name] = name
            } else if let index = users[name] {
                kept[name] = self.name(name, inLayer: index)
            } else if let owner = whole.blocks.firstIndex(where: { !$0.prefix.isEmpty && name.hasPrefix($0.prefix) }) {
                // Of no use to the network, but part of a layer.
                if let index = layers.firstIndex(of: owner) { kept[name] = self.name(name, inLayer: index) }
            } else {
                kept[name] = name
            }
        }
    }

    /// The new name of the tensor `name` as the kept layer `index` uses it.
    func name(_ name: String, inLayer index: Int) -> String {
        let old = oldPrefixes[index]
        guard !old.isEmpty, name.hasPrefix(old), !fixed.contains(name) else { return name }
        return prefixes[index] + name.dropFirst(old.count)
    }

    /// What the tensors of the kept `layers` begin with: layers are counted anew in each stage.
    private static func renumbered(_ layers: [Int], _ blocks: [Architecture.Block]) -> [String] {
        var first = 0
        var prefixes: [String] = []
        for end in blocks.indices where blocks[end].endsStage || end == blocks.count - 1 {
            let kept = layers.filter { (first...end).contains($0) }
            prefixes += kept.indices.map { blocks[first + $0].prefix }
            first = end + 1
        }
        return prefixes
    }
}
