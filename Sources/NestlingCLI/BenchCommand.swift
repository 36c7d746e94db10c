import ArgumentParser
import Nestling

/// `nestling bench`: how fast a model runs here.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure how fast a model, or the kernels alone, run on this machine.",
        discussion: """
            First measures what the machine can do at most, out of registers (float32, bfloat16 and int8 arithmetic) and \
            from memory; the last column is the share of that. Without a checkpoint, measures the kernels alone.

            Runs random token ids, or images of the size that the model was made for; needs no tokenizer, and counts no \
            tokenization and no preparation. Every combination of --tokens, --batch, \
            --ffn and --merge is warmed up, then all are measured in turns, so that a machine that slows down slows them \
            all. A sample is as many runs as take 20 ms, at least one. Times are the median of the samples, and half of \
            the range in which their middle half lies.

            GFLOP counts the linear layers, 2 for each weight and token, and attention, 4 * head size for each head and \
            each pair of tokens that see each other (4 * tokens^2 * heads * head size for each sequence and layer, less \
            where attention is local). It does not count norms, activations, softmax, embedding rows and pooling, nor the \
            choice of tokens to merge. Merged tokens are not counted after they merge, nor what the last layer is spared for \
            tokens of which the vector is not made (all but one, where it is the first or the last token's).

            With --reduce, and with --merge 0 and other numbers, each reduced run is compared with the full one: how many times \
            quicker it was, what nestling_model_estimate_reduction predicts, and which reductions do not pay.

            With --prompt or --generate, and of decoders unless --tokens says otherwise: tokens per second of reading prompts of \
            so many tokens (pp) and of generating so many (tg), each with --batch texts at once, in the table form that is \
            usual for it. Of decoders, size and params are what each token multiplies; the last layer of a prompt counts as \
            any other, though it is spared most of its work. What shares are of is measured again before each sample.

            With --flops nothing is run, and no weights are needed: multiply-accumulates are counted from config.json, for \
            --tokens or an image of the configured size, reduced as --reduce says. Without a checkpoint, the counts of \
            schedules that papers publish, next to theirs.

            The table is Markdown, for issues; --json is for programs.

            EXAMPLES
              nestling bench
              nestling bench all-MiniLM-L6-v2 --dtype float32,bfloat16,int8
              nestling bench all-MiniLM-L6-v2 --tokens 128 --batch 1,32 --ffn 1,0.75,0.5,0.25
              nestling bench all-MiniLM-L6-v2 --tokens 512 --merge 0,16,32 --threads 1 --json
              nestling bench vit-base-patch16-224 --reduce '{"method": "tome", "r": 13}' --reduce '{"method": "evit", "keep": 0.7}'
              nestling bench llama-3.2-1b --dtype bfloat16,int8,int4 --prompt 128 --generate 64 --batch 1,16
              nestling bench --flops
              nestling bench vit-base-patch16-224 --flops --reduce '{"method": "tome", "r": 13, "protect": "first"}'
            """)

    @Argument(help: "The directory of a checkpoint; none: measure the kernels.", completion: .directory)
    var path: String?

    @Option(
        help: ArgumentHelp("Of a checkpoint of texts and images (CLIP, SigLIP): text or vision.", valueName: "tower"),
        transform: CheckpointArgument.tower)
    var tower: Tower?

    @Option(
        help: ArgumentHelp(
            "Lengths of sequences; by default those of 16,128,512 that the model's positions allow.",
            valueName: "counts"),
        transform: NumberList.positive)
    var tokens: [Int]?

    @Option(
        help: ArgumentHelp("Sequences run at once. (default: 1,8; of --prompt and --generate: 1)", valueName: "counts"),
        transform: NumberList.positive)
    var batch: [Int]?

    @Option(
        help: ArgumentHelp("Lengths of prompts to read. (default of decoders: 512)", valueName: "counts"),
        transform: NumberList.positive)
    var prompt: [Int]?

    @Option(
        help: ArgumentHelp("Numbers of tokens to generate. (default of decoders: 128)", valueName: "counts"),
        transform: NumberList.positive)
    var generate: [Int]?

    @Option(
        help: ArgumentHelp("With --prompt and --generate: in what keys and values are kept.", valueName: "dtype"),
        transform: SamplingArguments.cacheType)
    var cacheDtype: CacheType?

    @Option(
        help: ArgumentHelp(
            "Compare weights kept as these: \(Codec.allCases.map(\.rawValue).joined(separator: ",")). (default: as the checkpoint is packed, or else float32)",
            valueName: "dtypes"),
        transform: BenchCommand.dtypes)
    var dtype: [Codec]?

    @Option(
        help: ArgumentHelp("FFN widths to compare: shares up to 1, or widths. (default: 1)", valueName: "widths"),
        transform: BenchCommand.widths)
    var ffn: [Width]?

    @Option(
        help: ArgumentHelp("Tokens to merge in each layer, to compare; 0: none. (default: 0)", valueName: "counts"),
        transform: NumberList.commas)
    var merge: [Int]?

    @Option(name: .customLong("repeat"), help: ArgumentHelp("Samples of each combination.", valueName: "count"))
    var samples = 5

    @Flag(help: "Count multiply-accumulates instead of measuring.")
    var flops = false

    @Option(
        help: ArgumentHelp(
            "Merge or prune tokens, as the JSON object of nestling.h says; may be given several times.",
            valueName: "json"))
    var reduce: [String] = []

    @Flag(help: "Report as one JSON document.")
    var json = false

    @OptionGroup(title: "Running") var running: RunOptions

    /// An FFN width, as it was asked for.
    struct Width {
        var text: String
        var extent: SubmodelSpec.Extent
    }

    func validate() throws {
        if !reduce.isEmpty, path == nil { throw ValidationError("--reduce goes with a checkpoint") }
        if flops, batch != nil || dtype != nil || ffn != nil || merge != nil || (path == nil && tokens != nil) {
            throw ValidationError("--flops takes only a checkpoint, --tokens, --reduce and --json")
        }
        if prompt != nil || generate != nil || cacheDtype != nil {
            if path == nil || flops || tokens != nil || merge != nil || !reduce.isEmpty {
                throw ValidationError(
                    "--prompt, --generate and --cache-dtype go with a checkpoint, --batch, --dtype and --ffn")
            }
        }
        if samples < 1 { throw ValidationError("--repeat \(samples) is not at least 1") }
        let variants = (merge?.count ?? 1) + reduce.count
        let count = (tokens?.count ?? 3) * (batch?.count ?? 2) * (ffn?.count ?? 1) * variants
        if count > 10_000 { throw ValidationError("\(count) combinations are more than anyone reads") }
    }

    func run() throws(Failure) {
        if flops {
            let report = try workReport()
            return try json ? StandardOutput.write(report.json) : StandardOutput.write(report.markdown)
        }
        let bar = running.begin()
        guard let path else {
            let benchmark = try KernelBenchmark(samples: samples) { done, total throws(Failure) in
                try bar.report("measure", done, total)
            }
            bar.clear()
            return try json
                ? StandardOutput.write(benchmark.json) : StandardOutput.write(benchmark.markdown)
        }
        let begin = Clock.seconds
        var models: [Model] = []
        for codec in dtype?.map(Optional.some) ?? [nil] {
            models.append(try Model(path: path, dtype: codec, tower: tower, progress: bar.report))
        }
        if asksForGeneration(models[0]) { return try reportGeneration(models, name: path.lastPathComponent, bar) }
        var tests: [Benchmark.Test] = []
        for model in models { tests += try self.tests(of: model) }
        let loadSeconds = (Clock.seconds - begin) / Double(models.count)
        let peaks = MachinePeaks()
        var benchmark = try Benchmark(models[0], tests)
        try benchmark.measure(samples: samples) { done, total in
            bar.draw("measuring", share: Double(done) / Double(total), note: "")
        }
        bar.clear()
        let report = try BenchReport(
            name: path.lastPathComponent, models: models, loadSeconds: loadSeconds, samples: samples, peaks: peaks,
            benchmark)
        try json ? StandardOutput.write(report.json) : StandardOutput.write(report.markdown)
    }

    /// Whether tokens per second are wanted: if they are asked for, or of decoders if nothing else is.
    private func asksForGeneration(_ model: Model) -> Bool {
        if prompt != nil || generate != nil || cacheDtype != nil { return true }
        return tokens == nil && merge == nil && reduce.isEmpty && model.headKinds.contains(.causalLM)
    }

    private func reportGeneration(_ models: [Model], name: String, _ bar: ProgressBar) throws(Failure) {
        let isSilent = prompt == nil && generate == nil
        let most = models[0].textTokens ?? .max
        let prompts = prompt ?? (isSilent ? [min(512, most)] : [])
        let generations = generate ?? (isSilent ? [min(128, most - 1)] : [])
        let works =
            prompts.map { GenerationBenchmark.Work.prompt($0) }
            + generations.map { GenerationBenchmark.Work.generation($0) }
        var tests: [GenerationBenchmark.Test] = []
        for model in models {
            for width in ffn ?? [Width(text: "1", extent: .all)] {
                let small = try model.submodel(ffn: width.extent)
                for sequences in batch ?? [1] {
                    tests += works.map {
                        GenerationBenchmark.Test(model: small, ffn: width.text, work: $0, sequences: sequences)
                    }
                }
            }
        }
        var options = TextGenerator.Options()
        options.cacheType = cacheDtype
        options.steps.maximumRequests = batch?.max() ?? 1
        let peaks = MachinePeaks()
        var benchmark = GenerationBenchmark(tests, options)
        try benchmark.measure(samples: samples) { done, total in
            bar.draw("measuring", share: Double(done) / Double(total), note: "")
        }
        bar.clear()
        let report = GenerationReport(name: name, peaks: peaks, benchmark: benchmark)
        try json ? StandardOutput.write(report.json) : StandardOutput.write(report.markdown)
    }

    private func workReport() throws(Failure) -> WorkReport {
        guard let path else { return try WorkReport() }
        let reductions = try namedReductions()
        return try WorkReport(path: path, lengths: tokens, reductions: reductions.isEmpty ? [nil] : reductions)
    }

    private func namedReductions() throws(Failure) -> [NamedReduction?] {
        var reductions: [NamedReduction?] = []
        for json in reduce { reductions.append(try NamedReduction(json: json)) }
        return reductions
    }

    /// Every combination, the order of the table.
    private func tests(of model: Model) throws(Failure) -> [Benchmark.Test] {
        let lengths = try lengths(of: model)
        for length in lengths where length > model.maximumTokens ?? .max {
            throw Failure(
                .invalidArgument, "--tokens \(length): the model's positions allow \(model.maximumTokens ?? 0)")
        }
        var tests: [Benchmark.Test] = []
        var reductions: [NamedReduction?] = []
        for r in merge ?? [0] {
            reductions.append(r == 0 ? nil : try NamedReduction(method: "tome", "r", .integer(r)))
        }
        reductions += try namedReductions()
        for width in ffn ?? [Width(text: "1", extent: .all)] {
            let small = try model.submodel(ffn: width.extent)
            let session = Session(small)
            for reduction in reductions {
                for length in lengths.isEmpty ? [model.maximumTokens ?? 1] : lengths {
                    for sequences in batch ?? [1, 8] {
                        tests.append(
                            Benchmark.Test(
                                ffn: width.text, reduction: reduction, tokens: length, sequences: sequences,
                                session: session))
                    }
                }
            }
        }
        return tests
    }

    /// Tokens of the sequences to run.
    private func lengths(of model: Model) throws(Failure) -> [Int] {
        guard let image = model.image else {
            return tokens ?? [16, 128, 512].filter { $0 <= model.maximumTokens ?? .max }
        }
        guard tokens == nil else {
            throw Failure(.invalidArgument, "--tokens: the model takes images, whose size says how many there are")
        }
        return [
            try image.tokens(channels: image.channels, height: image.height, width: image.width, name: "the image")
        ]
    }

    private static func dtypes(_ text: String) throws -> [Codec] {
        try NumberList.parts(text).map { try PrecisionOptions.codec($0) }
    }

    private static func widths(_ text: String) throws -> [Width] {
        try NumberList.parts(text).map { Width(text: $0, extent: try Extents.widths($0)) }
    }
}
