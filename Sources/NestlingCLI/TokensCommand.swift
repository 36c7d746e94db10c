import ArgumentParser
import Nestling

/// `nestling tokens`: which tokens are merged, layer by layer.
struct TokensCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokens",
        abstract: "Show which tokens of a text are merged, layer by layer.",
        discussion: """
            Runs the model once and prints how many tokens each layer leaves, and then the text's tokens: those that have \
            become one share a number.

            EXAMPLES
              nestling tokens all-MiniLM-L6-v2 "The cat sat on the mat." --merge 2
              nestling tokens all-MiniLM-L6-v2 "The cat sat on the mat." --merge 1 --layer 3 --json
            """)

    @OptionGroup var checkpoint: CheckpointArgument

    @Argument(help: "The text.")
    var text: String

    @Option(help: ArgumentHelp("Show the tokens after this layer; by default after the last.", valueName: "layer"))
    var layer: Int?

    @Flag(help: "Print a JSON object: the tokens, and for each layer the group of each.")
    var json = false

    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "Submodel") var submodel: SubmodelOptions
    @OptionGroup(title: "Token merging") var merging: MergeOptions
    @OptionGroup(title: "Running") var running: RunOptions

    func run() throws(Failure) {
        let bar = running.begin()
        let whole = try Model(path: checkpoint.path, dtype: precision.dtype, progress: bar.report)
        bar.clear()
        let model = submodel.isEmpty ? whole : try whole.submodel(submodel.spec)
        if let layer, !(0...model.layers).contains(layer) {
            throw Failure(.invalidArgument, "--layer \(layer) is not in 0 ... \(model.layers)")
        }
        let (batch, _) = try model.tokenize([Array(text.utf8)], prompt: .text(""))
        let session = Session(model)
        _ = try session.hiddenStates(batch, reduction: merging.reducer())
        let all = try TokenGroups.all(session, tokens: batch.ids.count, layers: model.layers)
        let tokens = batch.ids.map { model.tokenizer?.token(of: $0) ?? "\($0)" }
        if json {
            let document: JSON = ["tokens": .array(tokens.map { .string($0) }), "layers": .array(all.map(\.json))]
            return try StandardOutput.write(document)
        }
        try StandardOutput.write(TokenGroups.table(all) + "\n\n")
        try StandardOutput.write(all[layer ?? model.layers].text(tokens) + "\n")
    }
}
