import ArgumentParser
import Nestling

/// `nestling reduce-sweep`: what each way to reduce tokens costs in agreement, and what it gains in time.
struct ReduceSweepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reduce-sweep",
        abstract: "Compare ways to merge or prune tokens: agreement with the full model against time.",
        discussion: """
            Runs the model on the same texts (arguments, or the lines of a file or of standard input) or images (\(Picture.formats); lines \
            are their paths) with every method and every amount, and writes a row of CSV for each. Agreement is \
            the cosine between a vector of the reduced run and that of the full one, mean and least of all inputs, and, if the \
            checkpoint has a classifier of sequences or images, the share of inputs whose best label stays the same.

            Each sample of time comes right after one of the full model; speed_up is the median of their ratios, seconds and \
            full_seconds are medians, spread_seconds is half of the range in which the middle half lies. \
            Tokenizing and preparing are not counted. predicted_speed_up is what nestling_model_estimate_reduction says, \
            multiply_adds_ratio what is left of the multiply-adds. What is less than \
            \(ReductionEstimate.leastGain.rounded(to: 2)) times as quick does not pay; which those are is told after the \
            measurement.

            With --output, the CSV goes to a file, and a table to read to standard output. --plot draws agreement against \
            time as SVG; nestling.plot.sweep draws the CSV with Matplotlib.

            EXAMPLES
              nestling reduce-sweep all-MiniLM-L6-v2 --file texts.txt --output sweep.csv --plot sweep.svg
              nestling reduce-sweep all-MiniLM-L6-v2 --file texts.txt --methods tome,pitome --r 1,2,4,8 > sweep.csv
              nestling reduce-sweep vit-base-patch16-224 *.jpg --flops 0.8,0.6,0.4 --threads 1
              nestling reduce-sweep bert --file texts.txt --reduce '{"method": "evit", "keep": 0.7, "layers": [4, 7, 10]}'
            """)

    @OptionGroup var checkpoint: CheckpointArgument
    @OptionGroup var input: InputArguments

    @Option(
        help: ArgumentHelp(
            "Of \(Reducers.methods.joined(separator: ",")). (default: all, unless --reduce is given alone)",
            valueName: "methods"),
        transform: ReduceSweepCommand.methods)
    var methods: [String]?

    @Option(
        help: ArgumentHelp("Tokens fewer in each layer, to compare.", valueName: "counts"),
        transform: NumberList.positive)
    var r: [Int] = []

    @Option(
        help: ArgumentHelp(
            "Shares of the tokens that remain after the last layer, to compare. (default: 0.9,0.75,0.5,0.25, unless other "
                + "amounts are given)", valueName: "shares"),
        transform: NumberList.shares)
    var ratio: [Double] = []

    @Option(
        help: ArgumentHelp("Shares of the tokens that each layer keeps, to compare.", valueName: "shares"),
        transform: NumberList.shares)
    var keep: [Double] = []

    @Option(
        help: ArgumentHelp("Shares of the multiply-adds that are left, to compare.", valueName: "shares"),
        transform: NumberList.shares)
    var flops: [Double] = []

    @Option(
        help: ArgumentHelp(
            "Compare this reduction, too, a JSON object as nestling.h says; may be given several times.",
            valueName: "json"))
    var reduce: [String] = []

    @Option(name: .customLong("repeat"), help: ArgumentHelp("Samples of each reduction.", valueName: "count"))
    var samples = 5

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Write the CSV to this file.", valueName: "file"),
        completion: .file(extensions: ["csv"]))
    var output: String?

    @Option(
        help: ArgumentHelp("Draw agreement against time into this file.", valueName: "file.svg"),
        completion: .file(extensions: ["svg"]))
    var plot: String?

    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "Submodel") var submodel: SubmodelOptions
    @OptionGroup(title: "Running") var running: RunOptions

    func validate() throws {
        if samples < 1 { throw ValidationError("--repeat \(samples) is not at least 1") }
        if let plot, !plot.hasSuffix(".svg") {
            throw ValidationError(
                "--plot \(plot) does not end with .svg; nestling.plot.sweep of Python draws other formats")
        }
    }

    func run() throws(Failure) {
        let bar = running.begin()
        let reductions = try reductions()
        let lines = try input.lines(quiet: running.quiet)
        let whole = try Model(
            path: checkpoint.path, dtype: precision.dtype, tower: checkpoint.tower, progress: bar.report)
        let model = submodel.isEmpty ? whole : try whole.submodel(submodel.spec)
        let batch = try SweepInput.read(input, lines, model, bar)
        let sweep = try Sweep(model, batch, reductions, samples: samples, bar)
        bar.clear()
        let report = SweepReport(name: checkpoint.path.lastPathComponent, sweep: sweep)
        if let plot { try WholeFile.write(Array(SweepPlot(report).svg.utf8), to: plot) }
        guard let output else {
            try StandardOutput.write(report.csv)
            try StandardOutput.flush()
            if !running.quiet { StandardError.write(report.verdict) }
            return
        }
        try WholeFile.write(Array(report.csv.utf8), to: output)
        try StandardOutput.write(report.markdown + "\n" + report.verdict)
    }

    /// Every method with every amount, then those that were given whole.
    private func reductions() throws(Failure) -> [NamedReduction] {
        var amounts: [(schedule: String, value: JSON)] = r.map { ("r", .integer($0)) }
        for (schedule, shares) in [("ratio", ratio), ("keep", keep), ("flops", flops)] {
            amounts += shares.map { (schedule, .number($0)) }
        }
        let isOnlyWhole = !reduce.isEmpty && methods == nil && amounts.isEmpty
        if amounts.isEmpty { amounts = [0.9, 0.75, 0.5, 0.25].map { ("ratio", .number($0)) } }
        var reductions: [NamedReduction] = []
        for method in isOnlyWhole ? [] : methods ?? Reducers.methods {
            for amount in amounts {
                reductions.append(try NamedReduction(method: method, amount.schedule, amount.value))
            }
        }
        for json in reduce { reductions.append(try NamedReduction(json: json)) }
        guard reductions.count <= 10_000 else {
            throw Failure(.invalidArgument, "\(reductions.count) reductions are more than anyone reads")
        }
        return reductions
    }

    private static func methods(_ text: String) throws -> [String] {
        let methods = NumberList.parts(text)
        for method in methods where !Reducers.methods.contains(method) {
            throw ValidationError("\(method.quoted) is none of \(Reducers.methods.joined(separator: ", "))")
        }
        return methods
    }
}
