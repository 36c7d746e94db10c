import ArgumentParser
import Nestling

/// `nestling check`: whether a checkpoint is whole.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a checkpoint without loading it.",
        discussion: """
            Reads every file that is needed: settings, tokenizer, and the headers of the weights. Makes sure that every \
            tensor that the network needs is there with the right shape and type; with --values also that every number in \
            them is finite, for which all weights are read.

            Problems are listed on standard output. The exit status is 0 if there are none and 65 if there are some.

            EXAMPLES
              nestling check all-MiniLM-L6-v2 --values
            """)

    @OptionGroup var checkpoint: CheckpointArgument

    @Flag(help: "Read all weights and look for numbers that are not finite.")
    var values = false

    @Flag(help: "Report as one JSON document.")
    var json = false

    func run() throws {
        let report = try CheckReport(path: checkpoint.path, values: values)
        if json {
            try StandardOutput.write(report.json)
        } else {
            try StandardOutput.write(text(report))
        }
        try StandardOutput.flush()
        if !report.problems.isEmpty { throw ReportedProblems() }
    }

    private func text(_ report: CheckReport) -> String {
        guard report.problems.isEmpty else {
            return report.problems.map { Style.bad("problem") + "  \($0.printable)\n" }.joined()
        }
        let check = report.network
        var facts = [check.family ?? "", "\(check.tensors.grouped) tensors", "\(check.parameters.grouped) parameters"]
        facts.append(values ? "all finite" : "values not read")
        facts.append(report.tokenizerVocabulary.map { "tokenizer of \($0.grouped) tokens" } ?? "no tokenizer")
        var text = Style.good("ok") + "  \(facts.joined(separator: ", ").printable)\n"
        if !check.unused.isEmpty {
            text += "    not used: \(check.unused.joined(separator: ", ").printable)\n"
        }
        return text
    }
}
