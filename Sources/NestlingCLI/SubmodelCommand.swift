import ArgumentParser
import Nestling

/// `nestling submodel`: saves a smaller model.
struct SubmodelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submodel",
        abstract: "Save a smaller model that is nested in a larger one.",
        discussion: """
            Keeps the leading part of each layer's FFN and heads, some of the layers, the leading dimensions of vectors, in \
            any mix, and writes an ordinary checkpoint directory, tokenizer included. Weights keep their types.

            One FFN width for all layers and fewer layers load in transformers. What transformers cannot express (widths \
            that differ by layer, fewer heads, fewer dimensions) is written to nestling.json, which Nestling reads; the \
            report names it.

            The directory appears when it is complete; an interrupted run leaves nothing behind.

            EXAMPLES
              nestling submodel all-MiniLM-L6-v2 half --ffn 0.5
              nestling submodel all-MiniLM-L6-v2 small --layers 0-3 --ffn 1024,768,768,512
            """)

    @OptionGroup var checkpoint: CheckpointArgument

    @Argument(help: "The directory to write.", completion: .directory)
    var out: String

    @OptionGroup(title: "What to keep") var submodel: SubmodelOptions

    @Flag(help: "Replace a checkpoint that is in the directory already.")
    var overwrite = false

    @Flag(help: "Report as one JSON document.")
    var json = false

    @OptionGroup(title: "Running") var running: RunOptions

    func validate() throws {
        if submodel.isEmpty {
            throw ValidationError("say what to keep with --ffn, --heads, --layers or --dimensions")
        }
    }

    func run() throws(Failure) {
        let bar = running.begin()
        let whole = try Model(path: checkpoint.path, tower: checkpoint.tower, progress: bar.report)
        let small = try whole.submodel(submodel.spec)
        let writer = try SubmodelWriter(small.network)
        try writer.write(to: out, overwrites: overwrite, progress: bar.report)
        bar.clear()
        try json ? writeJSON(whole, small, writer) : writeReport(whole, small, writer)
    }

    private func writeJSON(_ whole: Model, _ small: Model, _ writer: SubmodelWriter) throws(Failure) {
        func parts(_ model: Model) -> JSON {
            [
                "layers": .array(model.network.kept.layers.map { .integer($0) }),
                "ffn_widths": .array(model.ffnWidths.map { .integer($0) }),
                "heads": .array(model.heads.map { .integer($0) }),
                "output_dimensions": .integer(model.outputDimensions), "parameters": .integer(model.parameters),
            ]
        }
        let document: JSON = [
            "path": .string(out), "from": parts(whole), "kept": parts(small),
            "loads_in_transformers": .bool(writer.notInTransformers.isEmpty),
            "not_in_transformers": .array(writer.notInTransformers.map { .string($0) }),
        ]
        try StandardOutput.write(document)
    }

    private func writeReport(_ whole: Model, _ small: Model, _ writer: SubmodelWriter) throws(Failure) {
        let share = Double(small.parameters) / Double(max(1, whole.parameters)) * 100
        func change(_ before: String, _ after: String) -> String { before == after ? before : "\(before) -> \(after)" }
        var layers = change("\(whole.layers)", "\(small.layers)")
        if small.layers < whole.layers {
            layers += " (\(small.network.kept.layers.map { String($0) }.joined(separator: ", ")))"
        }
        try StandardOutput.write(Style.title(out.printable) + "\n")
        try StandardOutput.write(
            report([
                (
                    "parameters",
                    "\(whole.parameters.grouped) -> \(small.parameters.grouped) (\(share.rounded(to: 1)) %)"
                ),
                ("layers", layers),
                ("FFN widths", change(perLayer(whole.ffnWidths), perLayer(small.ffnWidths))),
                ("heads", change(perLayer(whole.heads), perLayer(small.heads))),
                ("dimensions", change("\(whole.outputDimensions)", "\(small.outputDimensions)")),
                (
                    "transformers",
                    writer.notInTransformers.isEmpty
                        ? "loads it as it is"
                        : "cannot express \(writer.notInTransformers.joined(separator: "; ")); Nestling reads nestling.json"
                ),
            ]))
    }
}
