import Nestling

/// What `nestling bench` tells of its measurements.
struct BenchReport {
    let name: String
    let model: Model
    let loadSeconds: Double
    let samples: Int
    let tests: [Benchmark.Test]

    /// A table to paste into an issue, and the machine that it is about.
    var markdown: String {
        let machine = [
            "nestling \(Engine.versionText)", Machine.processor, Engine.instructionSet,
            "\(Engine.threadCount) of \(Engine.usableProcessors) threads",
        ]
        var table = MarkdownTable(columns: [
            ("model", false), ("parameters", true), ("ffn", true), ("merge", true), ("tokens", true), ("batch", true),
            ("ms", true), ("tokens/s", true), ("sequences/s", true), ("GFLOP", true), ("GFLOP/s", true),
        ])
        for test in tests {
            let gigas = test.operations * 1e-9
            table.rows.append([
                name, test.session.model.parameters.asMillions, test.ffn, test.merged == 0 ? "-" : "\(test.merged)",
                "\(test.tokens)", "\(test.sequences)",
                (test.median * 1e3).short + " ± " + (test.spread * 1e3).short,
                (Double(test.tokens * test.sequences) / test.median).short,
                (Double(test.sequences) / test.median).short,
                gigas.short, (gigas / test.median).short,
            ])
        }
        var memory = ["loaded in \((loadSeconds * 1e3).short) ms", "weights \(model.weightBytes.asBytes)"]
        if let bytes = Machine.residentBytes { memory.append("resident \(bytes.asBytes)") }
        if let bytes = Machine.peakResidentBytes { memory.append("at most \(bytes.asBytes)") }
        return machine.joined(separator: ", ") + "\n\n" + table.text + "\n" + memory.joined(separator: ", ") + "\n"
    }

    /// The same and more for programs; times in seconds.
    var json: JSON {
        var document = Engine.info.object ?? JSONObject()
        document["processor"] = .string(Machine.processor)
        document["model"] = .string(name)
        document["family"] = .string(model.family)
        document["load_seconds"] = .number(loadSeconds)
        document["weight_bytes"] = .integer(model.weightBytes)
        document["resident_bytes"] = Machine.residentBytes.map { .integer($0) } ?? .null
        document["peak_resident_bytes"] = Machine.peakResidentBytes.map { .integer($0) } ?? .null
        document["samples"] = .integer(samples)
        document["results"] = .array(tests.map(BenchReport.json))
        return .object(document)
    }

    private static func json(_ test: Benchmark.Test) -> JSON {
        let sequences = Double(test.sequences)
        return [
            "ffn": .string(test.ffn), "merge": .integer(test.merged), "tokens": .integer(test.tokens),
            "batch": .integer(test.sequences), "parameters": .integer(test.session.model.parameters),
            "seconds": .number(test.median), "spread_seconds": .number(test.spread),
            "least_seconds": .number(test.least), "samples_seconds": .array(test.seconds.map { .number($0) }),
            "tokens_per_second": .number(sequences * Double(test.tokens) / test.median),
            "sequences_per_second": .number(sequences / test.median),
            "operations": .number(test.operations), "operations_per_second": .number(test.operations / test.median),
        ]
    }
}
