public import NestlingBasics
import NestlingBlocks
public import NestlingModels

/// What a submodel keeps of a model: nested prefixes of its widths, heads and output dimensions, and some of its layers.
///
/// MatFormer (arXiv 2310.07707) nests FFN widths, Matryoshka representations (arXiv 2205.13147) output dimensions; heads and
/// layers nest the same way.
public struct SubmodelSpec: Sendable, Equatable {
    /// A number for each layer, or one way to get it for all.
    public enum Extent: Sendable, Equatable {
        /// What the model has.
        case all
        /// A share of what each layer has, in `0 < share <= 1`; rounded to the nearest number, at least 1. Heads that
        /// share a key head stay together.
        case ratio(Double)
        /// Exact numbers: one for each kept layer, or a single one for all.
        case exact([Int])
    }

    /// FFN widths.
    public var widths = Extent.all
    /// Attention heads.
    public var heads = Extent.all
    /// Indices of the layers to keep, rising; `nil`: all.
    public var layers: [Int]?
    /// Leading dimensions of sentence vectors; `nil`: all.
    public var outputDimensions: Int?

    /// Keeps everything.
    public init() {}
}

extension Network {
    /// The submodel that keeps what `spec` says of this network. Copies no weights; this network may be a submodel itself.
    public func submodel(_ spec: SubmodelSpec) throws(Failure) -> Network {
        var kept = kept
        if let layers = spec.layers {
            guard !layers.isEmpty else {
                throw Failure(.invalidArgument, "layers: a submodel keeps at least one layer")
            }
            for (position, layer) in layers.enumerated() {
                guard kept.layers.indices.contains(layer) else {
                    throw Failure(
                        .invalidArgument, "layers[\(position)]: layer \(layer) is not in 0 ..< \(kept.layers.count)")
                }
                guard position == 0 || layers[position - 1] < layer else {
                    throw Failure(
                        .invalidArgument,
                        "layers[\(position)]: layers must rise, found \(layer) after \(layers[position - 1])")
                }
            }
            let ends = kept.layers.indices.filter { weights.blocks[kept.layers[$0]].downsampling != nil }
            if let missing = ends.first(where: { !layers.contains($0) }) {
                throw Failure(
                    .invalidArgument,
                    "layers: layer \(missing) ends a stage, layers after it need what its downsampling gives; it must be kept"
                )
            }
            kept.keep(layers: layers)
            try weights.checkKeys(kept)
        }
        let steps = kept.layers.map { weights.blocks[$0].headStep }
        kept.widths = try spec.widths.resolve(kept.widths, steps: steps.map { _ in 1 }, "FFN width")
        kept.heads = try spec.heads.resolve(kept.heads, steps: steps, "number of heads")
        try weights.checkKeys(kept)
        if let dimensions = spec.outputDimensions {
            guard (1...kept.outputDimensions).contains(dimensions) else {
                throw Failure(
                    .invalidArgument, "output dimensions: \(dimensions) is not in 1 ... \(kept.outputDimensions)")
            }
            kept.outputDimensions = dimensions
        }
        return Network(weights, keeping: kept)
    }
}

extension NetworkWeights {
    /// Makes sure that layers that take keys of others still find them.
    fileprivate func checkKeys(_ kept: KeptParts) throws(Failure) {
        var givers: [String: Int] = [:]
        for (index, block) in blocks.enumerated() {
            for sharing in block.sharings {
                switch sharing {
                case .gives(let name): givers[name] = index
                case .takes(let name):
                    guard let giver = givers[name], let taker = kept.layers.firstIndex(of: index) else { continue }
                    guard let place = kept.layers.firstIndex(of: giver) else {
                        throw Failure(
                            .invalidArgument,
                            "layers: layer \(index) takes the keys of layer \(giver), which must be kept")
                    }
                    guard kept.heads[place] / blocks[giver].headStep >= kept.heads[taker] / block.headStep else {
                        throw Failure(
                            .invalidArgument,
                            "number of heads of kept layer \(taker): \(kept.heads[taker]) take keys of kept layer \(place), which has \(kept.heads[place]) heads"
                        )
                    }
                }
            }
        }
    }
}

extension SubmodelSpec.Extent {
    /// The number for each layer, out of what it has: a multiple of the layer's step.
    fileprivate func resolve(_ available: [Int], steps: [Int], _ what: String) throws(Failure) -> [Int] {
        switch self {
        case .all:
            return available
        case .ratio(let ratio):
            guard ratio > 0, ratio <= 1 else {
                throw Failure(.invalidArgument, "\(what): ratio \(ratio) is not in 0 < ratio <= 1")
            }
            return zip(available, steps).map { most, step in
                most == 0 ? 0 : max(1, Int((Double(most / step) * ratio).rounded())) * step
            }
        case .exact(let numbers):
            guard numbers.count == available.count || numbers.count == 1 else {
                throw Failure(
                    .invalidArgument, "\(what): \(numbers.count) numbers for \(available.count) kept layers")
            }
            var resolved: [Int] = []
            for (layer, most) in available.enumerated() {
                let number = numbers.count == 1 ? numbers[0] : numbers[layer]
                guard number >= 1, number <= most else {
                    throw Failure(.invalidArgument, "\(what) of kept layer \(layer): \(number) is not in 1 ... \(most)")
                }
                guard number.isMultiple(of: steps[layer]) else {
                    throw Failure(
                        .invalidArgument,
                        "\(what) of kept layer \(layer): \(number) is not a multiple of \(steps[layer]), which share a key head"
                    )
                }
                resolved.append(number)
            }
            return resolved
        }
    }
}
