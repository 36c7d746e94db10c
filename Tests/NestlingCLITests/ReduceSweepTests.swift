import NestlingBasics
import NestlingTestSupport
import Testing

/// What `nestling reduce-sweep` writes.
@Suite struct ReduceSweepTests {
    private let sentences = Fixtures.path("sentence-transformers/dense")
    private let texts = ["A small bird built a nest of straw in the old tree.", "Two dogs and a sparrow"]

    /// Rows of a CSV file by the titles of its columns.
    private func rows(_ text: String) throws -> [[String: String]] {
        let lines = text.split(separator: "\n").map { line in
            var fields = [""]
            var isQuoted = false
            var last: Character?
            for character in line {
                defer { last = character }
                if character == "\"" {
                    // Two of them are one, and the second opens the quotation again.
                    if last == "\"", !isQuoted { fields[fields.count - 1].append(character) }
                    isQuoted.toggle()
                } else if character == ",", !isQuoted {
                    fields.append("")
                } else {
                    fields[fields.count - 1].append(character)
                }
            }
            return fields
        }
        let titles = try #require(lines.first)
        #expect(lines.allSatisfy { $0.count == titles.count })
        return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(titles, $0)) }
    }

    private func vectors(_ arguments: [String]) throws -> [[Double]] {
        try Command.run(["embed"] + arguments).lines.map { $0.split(separator: " ").compactMap { Double($0) } }
    }

    private func cosine(_ left: [Double], _ right: [Double]) -> Double {
        func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        return product(left, right) / (product(left, left) * product(right, right)).squareRoot()
    }

    @Test func agreesWithOtherCommands() throws {
        let outcome = try Command.run(
            ["reduce-sweep", sentences] + texts + ["--methods", "tome,evit", "--r", "1,3", "--repeat", "2"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let rows = try rows(outcome.text)
        #expect(rows.map { $0["method"] } == ["tome", "tome", "evit", "evit"])
        #expect(rows.map { $0["value"] } == ["1", "3", "1", "3"])
        let full = try vectors([sentences] + texts)
        // The checkpoint has a default prompt, which `nestling tokens` does not put before its text.
        let facts = try JSON.parse(Command.run("inspect", sentences, "--json").text, name: "inspect")
        let prompt = try #require(facts["prompts"]?[facts["default_prompt_name"]?.string ?? ""]?.string)
        for row in rows {
            let reduction = try #require(row["reduction"])
            #expect(reduction == #"{"method":"\#(row["method"] ?? "")","r":\#(row["value"] ?? "")}"#)
            let cosines = zip(try vectors([sentences] + texts + ["--reduce", reduction]), full).map(cosine)
            func number(_ column: String) throws -> Double { try #require(Double(row[column] ?? "")) }
            let (mean, least) = (try number("cosine_mean"), try number("cosine_least"))
            #expect(abs(mean - cosines.reduce(0, +) / 2) < 2e-6)
            #expect(abs(least - (cosines.min() ?? 0)) < 2e-6)
            #expect(row["same_top_label"] == "")

            var (kept, whole, work, reduced) = (0, 0, 0.0, 0.0)
            for text in texts {
                let layers = try JSON.parse(
                    Command.run("tokens", sentences, prompt + text, "--reduce", reduction, "--json").text,
                    name: "tokens")
                let counts = try #require(layers["layers"]?.array).compactMap { $0["tokens"]?.int }
                kept += try #require(counts.last)
                whole += counts[0]
                let flops = try JSON.parse(
                    Command.run(
                        "bench", sentences, "--flops", "--tokens", "\(counts[0])", "--reduce", reduction, "--json"
                    ).text, name: "bench")
                work += try #require(flops.array?.first?["multiply_adds"]?.double)
                reduced += try #require(flops.array?.first?["reduced_multiply_adds"]?.double)
            }
            #expect(row["tokens"] == "\(whole)" && row["inputs"] == "2")
            #expect(row["tokens_kept"] == (Double(kept) / Double(whole)).fixed(4))
            // The checkpoint's dense module is in the sweep's numbers, and not in those of its config.json.
            #expect(abs(try number("multiply_adds_ratio") - reduced / work) < 5e-4)
            let (seconds, speedUp, predicted) = (
                try number("seconds"), try number("speed_up"), try number("predicted_speed_up")
            )
            #expect(seconds > 0 && speedUp > 0)
            // Two layers of a tiny model: the overhead alone is more than the whole run.
            #expect(row["predicted_pays"] == "false" && predicted < 0.5)
            #expect(row["pays"] == "\(speedUp >= 1.02)")
        }
        #expect(outcome.errors.contains("do not pay") || outcome.errors.contains("All 4 reductions pay"))
    }

    /// By default every method in four amounts; the table and the verdict go to standard output, the rest to files.
    @Test func files() throws {
        let folder = try TemporaryFolder()
        try folder.write("texts.txt", Array((texts.joined(separator: "\n") + "\n").utf8))
        let outcome = try Command.run(
            "reduce-sweep", sentences, "--file", folder.path("texts.txt"), "--repeat", "1", "--output",
            folder.path("sweep.csv"), "--plot", folder.path("sweep.svg"), "--threads", "1")
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        let rows = try rows(String(decoding: try folder.read("sweep.csv"), as: UTF8.self))
        #expect(rows.count == 32 && rows.allSatisfy { $0["schedule"] == "ratio" && $0["threads"] == "1" })
        let table = outcome.lines.filter { $0.hasPrefix("|") }
        #expect(table.count == 34)
        #expect(outcome.text.contains("pay"))
        let drawing = String(decoding: try folder.read("sweep.svg"), as: UTF8.self)
        // A point for each row; one for each method, and one for what is hollow, in the legend.
        #expect(drawing.split(separator: "<circle").count - 1 == 32 + 8 + 1)
        #expect(drawing.hasPrefix("<?xml") && drawing.hasSuffix("</svg>\n"))
        #expect(!drawing.contains("nan") && !drawing.contains("inf"))
    }

    @Test func imagesWithAClassifier() throws {
        let model = Fixtures.path("vit/image-classification")
        let folder = try TemporaryFolder()
        for index in 0..<3 {
            let pixels = (0..<40 * 30 * 3).map { UInt8(truncatingIfNeeded: $0 * (7 + index) + $0 / 90) }
            try folder.write("\(index).ppm", Array("P6 40 30 255\n".utf8) + pixels)
        }
        let paths = (0..<3).map { folder.path("\($0).ppm") }
        let reduction = #"{"method": "tome", "r": 0, "protect": "first"}"#
        let outcome = try Command.run(
            ["reduce-sweep", model] + paths + ["--repeat", "1", "--reduce", reduction, "--quiet"])
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        let rows = try rows(outcome.text)
        #expect(rows.count == 1)
        #expect(rows[0]["method"] == #"tome {"protect":"first"}"# && rows[0]["inputs"] == "3")
        // Nothing is merged.
        #expect(rows[0]["cosine_least"] == "1.0000000" && rows[0]["same_top_label"] == "1.0000")
        #expect(rows[0]["tokens_kept"] == "1.0000" && rows[0]["predicted_speed_up"] == "1.0000")
        // The paths can be lines.
        let lines = try Command.run(
            ["reduce-sweep", model, "--repeat", "1", "--methods", "tome", "--keep", "0.5"],
            input: Array(paths.joined(separator: "\n").utf8))
        #expect(lines.status == 0 && lines.lines.count == 2, "\(lines.errors)")
    }

    @Test func refusals() throws {
        #expect(try Command.run("reduce-sweep", sentences, "a", "--methods", "tomato").status == 64)
        #expect(try Command.run("reduce-sweep", sentences, "a", "--plot", "sweep.png").status == 64)
        #expect(try Command.run("reduce-sweep", sentences, "a", "--ratio", "1.5").status == 64)
        #expect(try Command.run("reduce-sweep", sentences, "a", "--repeat", "0").status == 64)
        #expect(try Command.run("reduce-sweep", sentences, "a", "--file", "b").status == 64)
        #expect(try Command.run("reduce-sweep", sentences, "a", "--reduce", "{").status == 64)
        let nothing = try Command.run("reduce-sweep", sentences, input: "")
        #expect(nothing.status == 64 && nothing.errors.contains("nothing to run"))
        #expect(try Command.run("reduce-sweep", Fixtures.path("vit/image-classification"), "none.ppm").status == 66)
    }
}

extension Double {
    /// With so many digits after the point.
    fileprivate func fixed(_ digits: Int) -> String {
        let scale = (0..<digits).reduce(1) { result, _ in result * 10 }
        let whole = Int((self * Double(scale)).rounded())
        let fraction = String(whole % scale)
        return "\(whole / scale)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
