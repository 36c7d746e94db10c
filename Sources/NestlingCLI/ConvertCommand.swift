import ArgumentParser
import Nestling

/// `nestling convert`: saves a model with its weights packed.
struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Save a model with its weights packed, to open at once and in less memory.",
        discussion: """
            Writes a checkpoint directory whose weights lie in it as they are used: opening it copies nothing, and all \
            processes that open it share the memory. The vectors are those of the original opened with the same --dtype, \
            bit for bit. Tokenizer and settings are copied; only Nestling reads the weights.

            An ordinary checkpoint needs no conversion: every command takes --dtype.

            EXAMPLES
              nestling convert all-MiniLM-L6-v2 minilm-int8 --dtype int8
              nestling convert all-MiniLM-L6-v2 small --dtype bfloat16 --ffn 0.5
            """)

    @OptionGroup var checkpoint: CheckpointArgument

    @Argument(help: "The directory to write.", completion: .directory)
    var out: String

    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "What to keep") var submodel: SubmodelOptions

    @Flag(help: "Replace a checkpoint that is in the directory already.")
    var overwrite = false

    @Flag(help: "Report as one JSON document.")
    var json = false

    @OptionGroup(title: "Running") var running: RunOptions

    func run() throws(Failure) {
        let bar = running.begin()
        let whole = try Model(
            path: checkpoint.path, dtype: precision.dtype, tower: checkpoint.tower, progress: bar.report)
        let model = submodel.isEmpty ? whole : try whole.submodel(submodel.spec)
        try model.save(to: out, packed: true, overwrites: overwrite, progress: bar.report)
        bar.clear()
        let before = try weightBytes(checkpoint.path)
        let after = try weightBytes(out)
        if json {
            return try StandardOutput.write([
                "path": .string(out), "dtype": .string(model.dtype.rawValue), "parameters": .integer(model.parameters),
                "file_bytes_before": .integer(before), "file_bytes": .integer(after),
            ])
        }
        try StandardOutput.write(Style.title(out.printable) + "\n")
        try StandardOutput.write(
            report([
                ("dtype", model.dtype.rawValue),
                ("parameters", model.parameters.grouped),
                ("weights", "\(before.asBytes) -> \(after.asBytes)"),
            ]))
    }

    /// Bytes of the files with the weights of the network.
    private func weightBytes(_ path: String) throws(Failure) -> Int {
        let description = try CheckpointDescription(
            CheckpointPath.open(path), tower: checkpoint.tower)
        return description.checkpoint.files.reduce(0) { $0 + $1.file.bytes.count }
    }
}
