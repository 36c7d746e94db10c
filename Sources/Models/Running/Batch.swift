public import NestlingBasics
import NestlingBlocks
public import NestlingImages

/// Sequences back to back: of token ids, as the caller holds them, or images. Valid during one call.
public struct Batch {
    private enum Content {
        /// All token ids, and one type id for each of them, or none: all 0.
        case tokens(ids: UnsafeBufferPointer<Int32>, types: UnsafeBufferPointer<Int32>)
        /// One for each sequence, or none: then only the shape of a result can be asked for.
        case images([PreparedImage])
        /// Images that are made when they are run: by index, on so many threads.
        case madeImages(@Sendable (_ index: Int, _ threads: Int?) throws(Failure) -> PreparedImage)
    }

    private let content: Content
    /// Sequence `s` is the tokens `offsets[s] ..< offsets[s + 1]`.
    let offsets: [Int]
    /// Patches of each image; empty where there are none.
    let grids: [PatchGrid]

    /// Sequences `offsets` of `ids`, not yet checked.
    public init(
        ids: UnsafeBufferPointer<Int32>, types: UnsafeBufferPointer<Int32>, offsets: UnsafeBufferPointer<Int>
    ) {
        content = .tokens(ids: ids, types: types)
        grids = []
        self.offsets = Array(offsets)
    }

    /// Images, as `network` takes them.
    /// - Throws: `.invalidArgument`, by the number of the image, if it does not take such.
    public init(_ images: [PreparedImage], for network: Network) throws(Failure) {
        try self.init(.images(images), images.map { ($0.channels, $0.height, $0.width) }, network)
    }

    /// Images of these sizes: to ask for the shape of a result before there are pixels.
    public init(
        sizes: [(channels: Int, height: Int, width: Int)], for network: Network
    ) throws(Failure) {
        try self.init(.images([]), sizes, network)
    }

    /// Images of these sizes that `make` makes when they are run, a group of sequences at a time: by index, on so many threads
    /// (`nil`: as set for the process). So no more of them exist at once than are run.
    public init(
        sizes: [(channels: Int, height: Int, width: Int)], for network: Network,
        _ make: @escaping @Sendable (_ index: Int, _ threads: Int?) throws(Failure) -> PreparedImage
    ) throws(Failure) {
        try self.init(.madeImages(make), sizes, network)
    }

    private init(
        _ content: Content, _ sizes: [(channels: Int, height: Int, width: Int)], _ network: Network
    ) throws(Failure) {
        guard let format = network.weights.embedding.image else {
            throw Failure(.invalidArgument, "the model takes token ids, not images")
        }
        self.content = content
        var offsets = [0]
        for (index, size) in sizes.enumerated() {
            let tokens = try format.tokens(
                channels: size.channels, height: size.height, width: size.width, name: "image \(index)")
            offsets.append(try offsets[index].added(to: tokens, "tokens of all images"))
        }
        self.offsets = offsets
        grids = sizes.map { format.grid(height: $0.height, width: $0.width) }
    }

    /// Number of sequences.
    public var sequences: Int { max(0, offsets.count - 1) }
    /// Number of tokens.
    public var tokens: Int { offsets.last ?? 0 }

    /// Tokens of sequence `sequence`.
    func length(_ sequence: Int) -> Int { offsets[sequence + 1] - offsets[sequence] }

    /// Makes sure that `network` can run every sequence; the failure names the sequence and the position.
    func check(_ network: Network) throws(Failure) {
        guard case .tokens(let ids, let types) = content else { return }
        let embedding = network.weights.embedding
        guard embedding.image == nil else {
            throw Failure(.invalidArgument, "the model takes images, not token ids")
        }
        guard offsets.first == 0 else {
            throw Failure(
                .invalidArgument, "offsets must begin with 0, found \(offsets.first.map { "\($0)" } ?? "nothing")")
        }
        for sequence in 0..<sequences {
            let (start, end) = (offsets[sequence], offsets[sequence + 1])
            guard end >= start else {
                throw Failure(.invalidArgument, "offsets fall from \(start) to \(end) after sequence \(sequence)")
            }
            guard end <= ids.count else {
                throw Failure(.invalidArgument, "sequence \(sequence) ends at token \(end) of \(ids.count)")
            }
            guard end > start else { throw Failure(.invalidArgument, "sequence \(sequence) has no tokens") }
            if let most = embedding.maximumTokens, end - start > most {
                throw Failure(
                    .invalidArgument,
                    "sequence \(sequence) has \(end - start) tokens, the model's positions allow \(most)")
            }
        }
        guard types.isEmpty || types.count >= tokens else {
            throw Failure(.invalidArgument, "\(types.count) token type ids for \(tokens) tokens")
        }
        try check(ids.prefix(tokens), below: embedding.vocabularySize, "token id", "vocabulary")
        try check(types.prefix(tokens), below: max(1, embedding.tokenTypes), "token type id", "number of token types")
    }

    private func check(
        _ values: Slice<UnsafeBufferPointer<Int32>>, below limit: Int, _ what: String, _ bound: String
    ) throws(Failure) {
        let unsignedLimit = UInt32(clamping: limit)
        guard let index = values.firstIndex(where: { UInt32(bitPattern: $0) >= unsignedLimit }) else { return }
        let sequence = (offsets.firstIndex { $0 > index } ?? 1) - 1
        throw Failure(
            .invalidArgument,
            "\(what) \(values[index]) at position \(index - offsets[sequence]) of sequence \(sequence) is not in 0 ..< \(limit) (\(bound))"
        )
    }

    /// What the sequences `group` are made from; images may have to be made, on `threads` threads.
    func input(_ group: Range<Int>, threads: Int) throws(Failure) -> EmbeddingInput {
        switch content {
        case .tokens(let ids, let types):
            let tokens = offsets[group.lowerBound]..<offsets[group.upperBound]
            return .tokens(
                ids: UnsafeBufferPointer(rebasing: ids[tokens]),
                types: types.isEmpty ? types : UnsafeBufferPointer(rebasing: types[tokens]))
        case .images(let images):
            guard images.count == sequences else { throw Failure(.internal, "the batch has sizes, but no images") }
            return .images(images[group])
        case .madeImages(let make):
            let images = try PreparedImage.all(group.count, threads: threads) { index, threads throws(Failure) in
                try make(group.lowerBound + index, threads)
            }
            return .images(images[...])
        }
    }

    /// Patches of the images `group`; empty where there are none.
    func grids(_ group: Range<Int>) -> [PatchGrid] { grids.isEmpty ? [] : Array(grids[group]) }

    /// How large the sequences `group` are before the first block.
    func extent(_ group: Range<Int>) -> StreamExtent {
        StreamExtent(rows: tokens(group), sequences: group.count, grids: grids(group))
    }

    /// Tokens of the sequences `group`.
    func tokens(_ group: Range<Int>) -> Int { offsets[group.upperBound] - offsets[group.lowerBound] }

    /// Groups of neighbours among the sequences `slice` with at most `limit` tokens together, first to last; a longer
    /// sequence is a group of its own.
    func groups(of slice: Range<Int>, tokens limit: Int) -> [Range<Int>] {
        var groups: [Range<Int>] = []
        var start = slice.lowerBound
        for sequence in slice where offsets[sequence + 1] - offsets[start] > limit && sequence > start {
            groups.append(start..<sequence)
            start = sequence
        }
        if start < slice.upperBound { groups.append(start..<slice.upperBound) }
        return groups
    }
}
