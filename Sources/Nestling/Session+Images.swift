public import NestlingBasics
public import NestlingBlocks
public import NestlingImages
public import NestlingModels

extension Session {
    /// One vector for each image, of any sizes: what the model's pooler makes of it, or its class token where there is none.
    public func encode(
        _ images: [PreparedImage], options: VectorOptions = VectorOptions(), reduction: (any Reducer)? = nil,
        progress: ProgressHandler? = nil
    ) throws(Failure) -> [[Float]] {
        let rows = try run(
            Batch(images, for: model.network), .vectors(options), reduction: reduction, progress: progress)
        return images.indices.map { Array(rows[$0]) }
    }

    /// Hidden states of each image after `layer` blocks (`nil`: all of them, and the final norm; 0: the embedding): the rows
    /// of class token and registers, if the model has them, then one for each patch, row by row.
    public func hiddenStates(
        _ images: [PreparedImage], layer: Int? = nil, unmerged: Bool = false, reduction: (any Reducer)? = nil,
        progress: ProgressHandler? = nil
    ) throws(Failure) -> Rows {
        try run(
            Batch(images, for: model.network), .states(layer: layer ?? model.layers, unmerged: unmerged),
            reduction: reduction, progress: progress)
    }

    /// Scores of a head (`nil`: the one that the config names) for each image.
    public func logits(
        _ images: [PreparedImage], head: HeadKind? = nil, unmerged: Bool = false, reduction: (any Reducer)? = nil,
        progress: ProgressHandler? = nil
    ) throws(Failure) -> Rows {
        try run(
            Batch(images, for: model.network), .scores(try model.head(head), unmerged: unmerged),
            reduction: reduction, progress: progress)
    }
}
