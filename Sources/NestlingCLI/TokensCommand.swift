import ArgumentParser
import Nestling

/// `nestling tokens`: which tokens are merged, layer by layer.
struct TokensCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokens",
        abstract: "Show which tokens of a text or an image are merged, layer by layer.",
        discussion: """
            Runs the model once and prints how many tokens each layer leaves. Of a text, the tokens follow: those that have \
            become one share a number, and those that were pruned are ~struck out~. Of an image (\(Picture.formats)), --png writes a \
            picture: the image as the model sees it, and for each layer the patches that have become one, outlined, in the \
            mean of their colours, and black where they were pruned.

            EXAMPLES
              nestling tokens all-MiniLM-L6-v2 "The cat sat on the mat." --merge 2
              nestling tokens all-MiniLM-L6-v2 "The cat sat on the mat." --merge 1 --layer 3 --json
              nestling tokens vit-base-patch16-224 --image photo.jpg --merge 12 --png merged.png
            """)

    @OptionGroup var checkpoint: CheckpointArgument

    @Argument(help: "The text.")
    var text: String?

    @Option(help: ArgumentHelp("Run on this image instead of a text.", valueName: "file"), completion: .file())
    var image: String?

    @Option(help: ArgumentHelp("Write a picture of the layers of an image.", valueName: "file"), completion: .file())
    var png: String?

    @Option(help: ArgumentHelp("Show the tokens after this layer only; 0: before the first.", valueName: "layer"))
    var layer: Int?

    @Flag(help: "Print a JSON object: the tokens of a text, and for each layer the group of each token.")
    var json = false

    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "Submodel") var submodel: SubmodelOptions
    @OptionGroup(title: "Token merging") var merging: MergeOptions
    @OptionGroup(title: "Running") var running: RunOptions

    func validate() throws {
        if (text == nil) == (image == nil) { throw ValidationError("give either a text or --image") }
        if png != nil, image == nil { throw ValidationError("--png is for --image") }
    }

    func run() throws(Failure) {
        let bar = running.begin()
        let whole = try Model(
            path: checkpoint.path, dtype: precision.dtype, tower: checkpoint.tower, progress: bar.report)
        bar.clear()
        let model = submodel.isEmpty ? whole : try whole.submodel(submodel.spec)
        if let layer, !(0...model.layers).contains(layer) {
            throw Failure(.invalidArgument, "--layer \(layer) is not in 0 ... \(model.layers)")
        }
        if let image { return try show(image: image, model) }
        let (batch, _) = try model.tokenize([Array((text ?? "").utf8)], prompt: .text(""))
        let session = Session(model)
        _ = try session.hiddenStates(batch, reduction: merging.reducer())
        let all = try TokenGroups.all(session, tokens: batch.ids.count, layers: model.layers)
        let tokens = batch.ids.map { model.tokenizer?.token(of: $0) ?? "\($0)" }
        try write(all, tokens: tokens)
        if !json { try StandardOutput.write("\n" + all[layer ?? model.layers].text(tokens) + "\n") }
    }

    private func show(image path: String, _ model: Model) throws(Failure) {
        let preparation = try model.imagePreparation()
        let prepared = try Picture(path: path).prepared(preparation, name: path)
        let session = Session(model)
        let states = try session.hiddenStates([prepared], layer: 0)
        let tokens = states.offsets[1]
        _ = try session.hiddenStates([prepared], reduction: merging.reducer())
        let all = try TokenGroups.all(session, tokens: tokens, layers: model.layers)
        try write(all, tokens: nil)
        guard let png, let format = model.image else { return }
        let picture = GroupPicture(
            levels: preparation.levels(of: prepared), height: prepared.height, width: prepared.width, format: format)
        try WholeFile.write(picture.png(layer.map { [all[$0]] } ?? all), to: png)
    }

    private func write(_ all: [TokenGroups], tokens: [String]?) throws(Failure) {
        guard json else { return try StandardOutput.write(TokenGroups.table(all) + "\n") }
        var document = JSONObject()
        if let tokens { document["tokens"] = .array(tokens.map { .string($0) }) }
        document["layers"] = .array((layer.map { [all[$0]] } ?? all).map(\.json))
        try StandardOutput.write(.object(document))
    }
}
