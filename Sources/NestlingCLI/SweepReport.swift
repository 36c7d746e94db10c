import Nestling

/// What `nestling reduce-sweep` tells.
struct SweepReport {
    let name: String
    let sweep: Sweep

    /// The columns of the file; `nestling.plot.sweep` reads them.
    private static let columns = [
        "model", "dtype", "threads", "inputs", "tokens", "method", "schedule", "value", "tokens_kept", "cosine_mean",
        "cosine_least", "same_top_label", "multiply_adds_ratio", "predicted_speed_up", "predicted_pays", "seconds",
        "spread_seconds", "full_seconds", "speed_up", "pays", "reduction",
    ]

    /// Comma-separated values (RFC 4180, but lines end with LF), with a title.
    var csv: String {
        var lines = [Self.columns]
        for row in sweep.rows {
            lines.append([
                name, sweep.model.dtype.rawValue, "\(Engine.threadCount)", "\(sweep.inputs)", "\(sweep.tokens)",
                row.reduction.series, row.reduction.schedule, row.reduction.value, row.tokensKept.rounded(to: 4),
                row.meanCosine.rounded(to: 7), row.leastCosine.rounded(to: 7),
                row.sameLabels.map { $0.rounded(to: 4) } ?? "",
                row.multiplyAdds.rounded(to: 4), row.gain.predicted.rounded(to: 4),
                "\(row.gain.isPredictedToPay)",
                row.seconds.median.rounded(to: 9), row.seconds.spread.rounded(to: 9),
                row.fullSeconds.median.rounded(to: 9), row.gain.measured.rounded(to: 4), "\(row.gain.pays)",
                row.reduction.json,
            ])
        }
        return lines.map { $0.map(Self.field).joined(separator: ",") + "\n" }.joined()
    }

    private static func field(_ text: String) -> String {
        guard text.utf8.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) else { return text }
        return "\"" + text.replacing("\"", with: "\"\"") + "\""
    }

    /// The same to read.
    var markdown: String {
        let hasLabels = sweep.rows.contains { $0.sameLabels != nil }
        var table = MarkdownTable(
            columns: [
                ("reduction", false), ("tokens kept", true), ("mean cosine", true), ("least", true),
            ] + (hasLabels ? [("same label", true)] : []) + [
                ("multiply-adds", true), ("predicted", true), ("ms", true), ("speed-up", true), ("pays", false),
            ])
        for row in sweep.rows {
            table.rows.append(
                [
                    row.reduction.label, row.tokensKept.asPercent, row.meanCosine.rounded(to: 4),
                    row.leastCosine.rounded(to: 4),
                ] + (hasLabels ? [row.sameLabels?.asPercent ?? "-"] : []) + [
                    row.multiplyAdds.asPercent, row.gain.predicted.rounded(to: 2),
                    (row.seconds.median * 1e3).short + " ± " + (row.seconds.spread * 1e3).short,
                    row.gain.measured.rounded(to: 2), row.gain.pays ? "yes" : "no",
                ])
        }
        return table.text
    }

    /// Which reductions are not worth it here.
    var verdict: String { ReductionGain.verdict(sweep.rows.map(\.gain)) }
}
