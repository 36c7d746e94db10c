import Nestling

/// What `nestling bench` tells of generating.
struct GenerationReport {
    let name: String
    let peaks: MachinePeaks
    let benchmark: GenerationBenchmark

    /// A table in the form that this field pastes into its issues, and the machine that it is about.
    var markdown: String {
        var table = MarkdownTable(columns: [
            ("model", false), ("size", true), ("params", true), ("dtype", false), ("ffn", true), ("threads", true),
            ("sequences", true), ("test", true), ("t/s", true), ("of peak", true),
        ])
        for test in benchmark.tests {
            let rates = test.tokensPerSecond
            table.rows.append([
                name, test.model.generation.weightBytes.asBytes, test.model.generation.weights.asMillions,
                test.model.dtype.rawValue, test.ffn, "\(Engine.threadCount)", "\(test.sequences)", test.work.name,
                rates.median.rounded(to: 2) + " ± " + rates.spread.rounded(to: 2), test.shares.median.asPercent,
            ])
        }
        return peaks.text + "\n" + table.text
            + "\nsize and params: what each token multiplies; of peak: of the arithmetic (pp), of the read bandwidth (tg)\n"
    }

    /// The same and more for programs; times in seconds.
    var json: JSON {
        var document = peaks.json
        document["model"] = .string(name)
        document["results"] = .array(
            benchmark.tests.map { test in
                [
                    "dtype": .string(test.model.dtype.rawValue), "ffn": .string(test.ffn),
                    "test": .string(test.work.name), "tokens": .integer(test.work.tokens),
                    "sequences": .integer(test.sequences),
                    "weights": .integer(test.model.generation.weights),
                    "weight_bytes": .integer(test.model.generation.weightBytes),
                    "tokens_per_second": .number(test.tokensPerSecond.median),
                    "spread_tokens_per_second": .number(test.tokensPerSecond.spread),
                    "samples_seconds": .array(test.samples.values.map { .number($0) }),
                    "share_of_peak": .number(test.shares.median),
                ]
            })
        return .object(document)
    }
}
