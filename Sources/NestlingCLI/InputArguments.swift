import ArgumentParser
import Nestling

/// What a command runs a model on: the arguments, the lines of a file or of standard input, or token ids.
struct InputArguments: ParsableArguments {
    @Argument(help: "Texts, or image files for a model that takes images; none: lines of standard input.")
    var inputs: [String] = []

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Take the lines of this file; -: standard input.", valueName: "file"),
        completion: .file())
    var file: String?

    @Option(
        help: ArgumentHelp(
            "Take a sequence of token ids, special ones included (101,7592,102); may be given several times.",
            valueName: "ids"),
        transform: NumberList.tokenIDs)
    var ids: [[Int32]] = []

    func validate() throws {
        if [!inputs.isEmpty, file != nil, !ids.isEmpty].count(where: { $0 }) > 1 {
            throw ValidationError("texts, --file and --ids exclude each other")
        }
    }

    /// The lines to read; `nil`: none are.
    func lines(quiet: Bool) throws(Failure) -> InputLines? {
        guard inputs.isEmpty, ids.isEmpty else { return nil }
        let lines = try InputLines(path: file ?? "-")
        if file == nil { InputLines.explainTerminal(quiet: quiet) }
        return lines
    }

    /// The arguments as texts.
    var texts: [InputText] {
        inputs.enumerated().map { InputText(bytes: Array($1.utf8), place: "text \($0 + 1)") }
    }

    /// What messages call each of ``ids``.
    var idPlaces: [String] { ids.indices.map { "--ids \($0 + 1)" } }
}
