import Nestling

/// Vision transformers with the token schedules of papers, whose multiply-accumulates can be compared with what they say.
///
/// Counts are those of one image with the patch projection and a classifier of 1000 classes.
struct PublishedSchedule {
    /// The network, and what shortens it.
    let model: String
    let schedule: String
    /// Billions of multiply-accumulates as published, with its digits; "-": the authors give none.
    let published: String
    /// Tokens that attention sees in each layer, and those that its FFN sees.
    let tokens: [(attention: Int, channel: Int)]
    /// Billions of multiply-accumulates without reduction, and with it.
    let full, reduced: Double

    /// Tokens that are left.
    var remaining: Int { tokens.last?.channel ?? 0 }
}

extension PublishedSchedule {
    /// A vision transformer by its sizes.
    private struct Shape {
        let name: String
        let hidden, layers, heads: Int
        var image = 224
        var patch = 16

        /// As transformers writes it.
        var config: JSON {
            [
                "model_type": "vit", "hidden_size": .integer(hidden), "num_hidden_layers": .integer(layers),
                "num_attention_heads": .integer(heads), "intermediate_size": .integer(4 * hidden),
                "image_size": .integer(image), "patch_size": .integer(patch),
            ]
        }

        var tokens: Int { (image / patch) * (image / patch) + 1 }

        static let tiny = Shape(name: "ViT-Ti/16", hidden: 192, layers: 12, heads: 3)
        static let small = Shape(name: "ViT-S/16", hidden: 384, layers: 12, heads: 6)
        static let base = Shape(name: "ViT-B/16", hidden: 768, layers: 12, heads: 12)
        static let large = Shape(name: "ViT-L/16", hidden: 1024, layers: 24, heads: 16)
        static let base384 = Shape(name: "ViT-B/16 at 384", hidden: 768, layers: 12, heads: 12, image: 384)
        static let large384 = Shape(name: "ViT-L/16 at 384", hidden: 1024, layers: 24, heads: 16, image: 384)
        static let large512 = Shape(name: "ViT-L/16 at 512", hidden: 1024, layers: 24, heads: 16, image: 512)
        static let huge = Shape(name: "ViT-H/14", hidden: 1280, layers: 32, heads: 16, patch: 14)
        static let huge518 = Shape(name: "ViT-H/14 at 518", hidden: 1280, layers: 32, heads: 16, image: 518, patch: 14)
        static let narrow = Shape(name: "ViT/16 of 256", hidden: 256, layers: 12, heads: 4)
    }

    private static let classes = 1000

    /// All of them.
    static func all() throws(Failure) -> [PublishedSchedule] {
        var rows: [PublishedSchedule] = []
        // ToMe (Bolya et al., arXiv 2210.09461): models of its tables, r tokens fewer in each layer.
        for (shape, r) in [
            (Shape.tiny, 13), (.small, 13), (.base, 13), (.base, 16), (.large, 7), (.large, 8), (.huge, 7),
            (.base384, 45),
            (.large384, 23), (.large512, 40), (.huge518, 40),
        ] {
            rows.append(
                try row(shape, "ToMe, r = \(r)", ["method": "tome", "r": .integer(r), "protect": "first"]))
        }
        // EViT (Liang et al., arXiv 2202.07800), table 1.
        for (keep, published) in [(0.9, "4.0"), (0.8, "3.5"), (0.7, "3.0"), (0.6, "2.6"), (0.5, "2.3")] {
            rows.append(
                try row(
                    .small, "EViT, keep \(keep.rounded(to: 1))",
                    ["method": "evit", "keep": .number(keep), "layers": [4, 7, 10]], published))
        }
        // DiffRate (Chen et al., arXiv 2305.17997): what its schedule of 2.9 G keeps after merging.
        let kept = [197, 194, 176, 156, 141, 133, 121, 107, 88, 64, 56, 3]
        rows.append(
            try row(
                .small, "DiffRate, 2.9 G", tokens: zip([Shape.small.tokens] + kept, kept).map { ($0, $1) }, "2.9"))
        // DynamicViT (Rao et al., arXiv 2106.02034): before layers 4, 7 and 10 a predictor keeps 0.7, 0.49 and 0.343 of the
        // patches. Its own work, 0.3 G in the base model, is not counted.
        let patches = [196, 196, 196, 137, 137, 137, 96, 96, 96, 67, 67, 67]
        for (shape, published) in [(Shape.small, "2.9"), (.narrow, "1.3"), (.base, "11.4")] {
            rows.append(
                try row(shape, "DynamicViT, 0.7", tokens: patches.map { ($0 + 1, $0 + 1) }, published))
        }
        return rows
    }

    private static func row(
        _ shape: Shape, _ name: String, _ reduction: JSON, _ published: String = "-"
    ) throws(Failure) -> PublishedSchedule {
        let outline = try outline(of: shape)
        let remaining = try Reducers.reducer(json: reduction.serialized()).remainingTokens(shape.tokens, in: outline)
        return try row(
            shape, name, tokens: zip([shape.tokens] + remaining, remaining).map { ($0, $1) }, published)
    }

    private static func row(
        _ shape: Shape, _ name: String, tokens: [(attention: Int, channel: Int)], _ published: String
    ) throws(Failure) -> PublishedSchedule {
        let outline = try outline(of: shape)
        let classifier = Double(shape.hidden * classes)
        let full = outline.multiplyAdds(tokens: shape.tokens) + classifier
        let reduced = outline.multiplyAdds(tokens: shape.tokens, layers: tokens) + classifier
        return PublishedSchedule(
            model: shape.name, schedule: name, published: published, tokens: tokens, full: full * 1e-9,
            reduced: reduced * 1e-9)
    }

    private static func outline(of shape: Shape) throws(Failure) -> NetworkOutline {
        try NetworkOutline(Families.architecture(JSONFields(shape.config, name: shape.name), TensorNames([])))
    }
}
