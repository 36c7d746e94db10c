import Nestling

/// What `nestling bench` tells of its measurements of models.
struct BenchReport {
    let name: String
    let models: [Model]
    let loadSeconds: Double
    let samples: Int
    let peaks: MachinePeaks
    let tests: [Benchmark.Test]

    /// A table to paste into an issue, and the machine that it is about.
    var markdown: String {
        var table = MarkdownTable(columns: [
            ("model", false), ("dtype", false), ("parameters", true), ("ffn", true), ("merge", true), ("tokens", true),
            ("batch", true), ("ms", true), ("tokens/s", true), ("sequences/s", true), ("GFLOP", true),
            ("GFLOP/s", true), ("of peak", true),
        ])
        for test in tests {
            let gigas = test.operations * 1e-9
            let model = test.session.model
            table.rows.append([
                name, model.dtype.rawValue, model.parameters.asMillions, test.ffn,
                test.merged == 0 ? "-" : "\(test.merged)", "\(test.tokens)", "\(test.sequences)",
                (test.median * 1e3).short + " ± " + (test.spread * 1e3).short,
                (Double(test.tokens * test.sequences) / test.median).short,
                (Double(test.sequences) / test.median).short,
                gigas.short, (gigas / test.median).short, peaks.share(of: test).asPercent,
            ])
        }
        var memory = ["loaded in \((loadSeconds * 1e3).short) ms"]
        memory += models.map { "\($0.dtype.rawValue) weights \($0.weightBytes.asBytes)" }
        if let bytes = Machine.residentBytes { memory.append("resident \(bytes.asBytes)") }
        if let bytes = Machine.peakResidentBytes { memory.append("at most \(bytes.asBytes)") }
        return peaks.text + "\n" + table.text + "\n" + memory.joined(separator: ", ") + "\n"
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
        document["results"] = .array(tests.map(json))
        return .object(document)
    }

    private func json(_ test: Benchmark.Test) -> JSON {
        let sequences = Double(test.sequences)
        return [
            "dtype": .string(test.session.model.dtype.rawValue),
            "ffn": .string(test.ffn), "merge": .integer(test.merged), "tokens": .integer(test.tokens),
            "batch": .integer(test.sequences), "parameters": .integer(test.session.model.parameters),
            "seconds": .number(test.median), "spread_seconds": .number(test.spread),
            "least_seconds": .number(test.least), "samples_seconds": .array(test.seconds.map { .number($0) }),
            "tokens_per_second": .number(sequences * Double(test.tokens) / test.median),
            "sequences_per_second": .number(sequences / test.median),
            "operations": .number(test.operations), "operations_per_second": .number(test.operations / test.median),
            "share_of_peak": .number(peaks.share(of: test)),
        ]
    }
}

extension Double {
    /// `93.5 %`
    var asPercent: String { (self * 100).rounded(to: 1) + " %" }
}
