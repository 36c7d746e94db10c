import Nestling

/// What `nestling bench` tells of its measurements of models.
struct BenchReport {
    let name: String
    let models: [Model]
    let loadSeconds: Double
    let samples: Int
    let peaks: MachinePeaks
    let tests: [Benchmark.Test]
    /// What the reduction of each test gained; `nil`: it has none, or nothing to compare with.
    private let gains: [ReductionGain?]

    init(
        name: String, models: [Model], loadSeconds: Double, samples: Int, peaks: MachinePeaks, _ benchmark: Benchmark
    ) throws(Failure) {
        self.name = name
        self.models = models
        self.loadSeconds = loadSeconds
        self.samples = samples
        self.peaks = peaks
        tests = benchmark.tests
        var gains: [ReductionGain?] = []
        for test in tests { gains.append(try benchmark.gain(of: test)) }
        self.gains = gains
    }

    /// A table to paste into an issue, and the machine that it is about.
    var markdown: String {
        let measured = gains.compactMap(\.self)
        var columns: [(String, Bool)] = [
            ("model", false), ("dtype", false), ("parameters", true), ("ffn", true), ("merge", true), ("tokens", true),
            ("batch", true), ("ms", true), ("tokens/s", true), ("sequences/s", true), ("GFLOP", true),
            ("GFLOP/s", true), ("of peak", true),
        ]
        if !measured.isEmpty { columns += [("speed-up", true), ("predicted", true)] }
        var table = MarkdownTable(columns: columns)
        for (test, gain) in zip(tests, gains) {
            let gigas = test.operations * 1e-9
            let model = test.session.model
            var row = [
                name, model.dtype.rawValue, model.parameters.asMillions, test.ffn,
                test.reduction?.shownInMergeColumn ?? "-", "\(test.tokens)", "\(test.sequences)",
                (test.samples.median * 1e3).short + " ± " + (test.samples.spread * 1e3).short,
                (Double(test.tokens * test.sequences) / test.samples.median).short,
                (Double(test.sequences) / test.samples.median).short,
                gigas.short, (gigas / test.samples.median).short, peaks.share(of: test).asPercent,
            ]
            if !measured.isEmpty {
                row += [gain?.measured.rounded(to: 2) ?? "-", gain?.predicted.rounded(to: 2) ?? "-"]
            }
            table.rows.append(row)
        }
        var memory = ["loaded in \((loadSeconds * 1e3).short) ms"]
        memory += models.map { "\($0.dtype.rawValue) weights \($0.weightBytes.asBytes)" }
        if let bytes = Machine.residentBytes { memory.append("resident \(bytes.asBytes)") }
        if let bytes = Machine.peakResidentBytes { memory.append("at most \(bytes.asBytes)") }
        let verdict = measured.isEmpty ? "" : ReductionGain.verdict(measured) + "\n"
        return peaks.text + "\n" + table.text + "\n" + verdict + memory.joined(separator: ", ") + "\n"
    }

    /// The same and more for programs; times in seconds.
    var json: JSON {
        var document = peaks.json
        document["model"] = .string(name)
        document["family"] = .string(models[0].family)
        document["load_seconds"] = .number(loadSeconds)
        var weights = JSONObject()
        for model in models { weights[model.dtype.rawValue] = .integer(model.weightBytes) }
        document["weight_bytes"] = .object(weights)
        document["resident_bytes"] = Machine.residentBytes.map { .integer($0) } ?? .null
        document["peak_resident_bytes"] = Machine.peakResidentBytes.map { .integer($0) } ?? .null
        document["samples"] = .integer(samples)
        document["results"] = .array(zip(tests, gains).map(json))
        return .object(document)
    }

    private func json(_ test: Benchmark.Test, _ gain: ReductionGain?) -> JSON {
        let sequences = Double(test.sequences)
        return [
            "dtype": .string(test.session.model.dtype.rawValue),
            "ffn": .string(test.ffn), "merge": .integer(test.reduction?.mergedTokens ?? 0),
            "reduction": test.reduction.map { .string($0.json) } ?? .null,
            "speed_up": gain.map { .number($0.measured) } ?? .null,
            "predicted_speed_up": gain.map { .number($0.predicted) } ?? .null,
            "pays": gain.map { .bool($0.pays) } ?? .null,
            "tokens": .integer(test.tokens),
            "batch": .integer(test.sequences), "parameters": .integer(test.session.model.parameters),
            "seconds": .number(test.samples.median), "spread_seconds": .number(test.samples.spread),
            "least_seconds": .number(test.samples.least),
            "samples_seconds": .array(test.samples.values.map { .number($0) }),
            "tokens_per_second": .number(sequences * Double(test.tokens) / test.samples.median),
            "sequences_per_second": .number(sequences / test.samples.median),
            "operations": .number(test.operations),
            "operations_per_second": .number(test.operations / test.samples.median),
            "share_of_peak": .number(peaks.share(of: test)),
        ]
    }
}

extension NamedReduction {
    /// The r of ToMe without anything else.
    fileprivate var mergedTokens: Int? { series == "tome" && schedule == "r" ? Int(value) : nil }
    fileprivate var shownInMergeColumn: String { mergedTokens.map { "\($0)" } ?? label }
}

extension Double {
    /// `93.5 %`
    var asPercent: String { (self * 100).rounded(to: 1) + " %" }
}
