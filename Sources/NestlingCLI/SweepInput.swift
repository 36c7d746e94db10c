import Nestling

/// The texts or images of a sweep, ready to be run again and again.
enum SweepInput {
    /// A sweep runs everything many times; this many tokens nobody waits for.
    private static let mostTokens = 1 << 24
    /// Floats of prepared images: a gigabyte.
    private static let mostFloats = 1 << 28

    /// Reads what `arguments` say for `model`.
    static func read(
        _ arguments: InputArguments, _ lines: InputLines?, _ model: Model, _ bar: ProgressBar
    ) throws(Failure) -> InputBatch {
        let input: InputBatch
        if !arguments.ids.isEmpty {
            let batch = TokenBatch(arguments.ids)
            try Embedder.refuseEmpty(batch, places: arguments.idPlaces)
            input = .tokens(batch, skipped: 0)
        } else if model.image != nil {
            input = .images(try images(lines.map(paths) ?? arguments.inputs, model, bar))
        } else {
            input = try tokens(arguments, lines, model, bar)
        }
        guard input.count > 0 else { throw Failure(.invalidArgument, "there is nothing to run the model on") }
        return input
    }

    private static func paths(_ lines: InputLines) throws(Failure) -> [String] {
        var paths: [String] = []
        while true {
            let chunk = try lines.next(Embedder.chunkTexts, mostBytes: Embedder.chunkBytes)
            if chunk.isEmpty { return paths }
            paths += chunk.map { String(decoding: $0.bytes, as: UTF8.self) }
        }
    }

    private static func images(
        _ paths: [String], _ model: Model, _ bar: ProgressBar
    ) throws(Failure) -> [PreparedImage] {
        let preparation = try model.imagePreparation()
        var images: [PreparedImage] = []
        var floats = 0
        for path in paths {
            try Interruption.check()
            images.append(try Picture(path: path).prepared(preparation, name: path))
            floats += images[images.count - 1].count
            guard floats <= mostFloats else {
                throw Failure(
                    .invalidArgument,
                    "\(path): the images up to here take a gigabyte when prepared; a sweep needs fewer")
            }
            bar.draw("preparing", share: Double(images.count) / Double(paths.count), note: "")
        }
        return images
    }

    private static func tokens(
        _ arguments: InputArguments, _ lines: InputLines?, _ model: Model, _ bar: ProgressBar
    ) throws(Failure) -> InputBatch {
        let embedder = try Embedder(model, prompt: .standard, options: VectorOptions(), reducer: nil)
        var batch = TokenBatch()
        var skipped = 0
        var waiting = arguments.texts[...]
        while true {
            let chunk: [InputText]
            if let lines {
                chunk = try lines.next(Embedder.chunkTexts, mostBytes: Embedder.chunkBytes)
            } else {
                chunk = Array(waiting.prefix(Embedder.chunkTexts))
                waiting = waiting.dropFirst(chunk.count)
            }
            guard let last = chunk.last else { return .tokens(batch, skipped: skipped) }
            let part: TokenBatch
            (part, skipped) = try embedder.tokenize(chunk)
            try Embedder.refuseEmpty(part, places: chunk.map(\.place))
            batch.append(contentsOf: part)
            guard batch.ids.count <= mostTokens else {
                throw Failure(
                    .invalidArgument,
                    "\(last.place): there are \(batch.ids.count) tokens up to here; a sweep needs fewer")
            }
            bar.draw("reading", share: lines?.share ?? nil, note: "\(batch.count.grouped) texts")
        }
    }
}
