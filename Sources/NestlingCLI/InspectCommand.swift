import ArgumentParser
import Nestling

/// `nestling inspect`: what a checkpoint is.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a checkpoint holds.",
        discussion: """
            Reads the settings and the headers of the weights, not the weights themselves: a checkpoint of any size takes a \
            moment. Use `nestling check` to find out whether it is whole.

            EXAMPLES
              nestling inspect all-MiniLM-L6-v2
              nestling inspect all-MiniLM-L6-v2 --tensors
              nestling inspect all-MiniLM-L6-v2 --json | jq .ffn_widths
            """)

    @OptionGroup var checkpoint: CheckpointArgument

    @Flag(help: "List all tensors: name, type, shape, bytes.")
    var tensors = false

    @Flag(help: "Report as one JSON document.")
    var json = false

    func run() throws(Failure) {
        let source = try CheckpointPath.open(checkpoint.path)
        let inspection = try Inspection(source, tower: checkpoint.tower)
        if json {
            var document = inspection.json.object ?? JSONObject()
            if tensors { document["tensors"] = .array(inspection.tensors.map(\.json)) }
            return try StandardOutput.write(.object(document))
        }
        try StandardOutput.write(Style.title(checkpoint.path.lastPathComponent) + "\n" + report(inspection.lines))
        if tensors { try StandardOutput.write("\n" + table(inspection.tensors)) }
    }

    private func table(_ tensors: [Tensor]) -> String {
        var table = MarkdownTable(columns: [("tensor", false), ("type", false), ("shape", false), ("bytes", true)])
        for tensor in tensors {
            table.rows.append([
                tensor.name.printable, tensor.type.rawValue, tensor.shape.map { String($0) }.joined(separator: " x "),
                tensor.bytes.count.grouped,
            ])
        }
        return table.text
    }
}

extension Tensor {
    fileprivate var json: JSON {
        [
            "name": .string(name), "dtype": .string(type.rawValue), "shape": .array(shape.map { .integer($0) }),
            "bytes": .integer(bytes.count), "file": .string(file.name),
        ]
    }
}
