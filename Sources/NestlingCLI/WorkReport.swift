import Nestling

/// What `nestling bench --flops` tells: multiply-accumulates, counted without weights.
struct WorkReport {
    /// What one network does with sequences of some length.
    struct Row {
        let model: String
        let reduction: String
        /// Before the first layer, and after the last.
        let tokens, remaining: Int
        /// Billions of multiply-accumulates without reduction, and with it.
        let full, reduced: Double
        /// As published; "-": there is nothing to compare with.
        var published = "-"
        /// After each layer.
        let perLayer: [Int]
    }

    let rows: [Row]

    /// The schedules of papers.
    init() throws(Failure) {
        rows = try PublishedSchedule.all().map { schedule in
            Row(
                model: schedule.model, reduction: schedule.schedule, tokens: schedule.tokens.first?.attention ?? 0,
                remaining: schedule.remaining, full: schedule.full, reduced: schedule.reduced,
                published: schedule.published, perLayer: schedule.tokens.map(\.channel))
        }
    }

    /// The network in the directory `path`, whose weights need not be there, for sequences of `lengths` (an image of the
    /// configured size if it sees images).
    init(path: String, lengths: [Int]?, reductions: [NamedReduction?]) throws(Failure) {
        let architecture = try Architecture(describing: try CheckpointPath.open(path))
        let outline = try NetworkOutline(architecture)
        if outline.dependsOnGrid {
            guard reductions.allSatisfy({ $0 == nil }) else {
                throw Failure(.unsupported, "--reduce: the tokens of a \(architecture.family) model cannot be reduced")
            }
            guard lengths == nil else {
                throw Failure(
                    .invalidArgument,
                    "--tokens: what a \(architecture.family) model computes depends on the sides of an image")
            }
            let tokens = outline.imageTokensByLayer ?? []
            let work = outline.multiplyAdds(tokens: outline.imageTokens ?? 0) * 1e-9
            rows = [
                Row(
                    model: path.lastPathComponent, reduction: "-", tokens: outline.imageTokens ?? 0,
                    remaining: tokens.last ?? 0, full: work, reduced: work, perLayer: tokens)
            ]
            return
        }
        rows = (lengths ?? [outline.imageTokens ?? 512]).flatMap { length in
            reductions.map { reduction in
                let full = outline.multiplyAdds(tokens: length)
                let remaining = reduction?.reducer.remainingTokens(length, in: outline)
                let reduced = reduction.map { outline.multiplyAdds(tokens: length, reducer: $0.reducer) }
                return Row(
                    model: path.lastPathComponent, reduction: reduction?.json ?? "-", tokens: length,
                    remaining: remaining?.last ?? length, full: full * 1e-9, reduced: (reduced ?? full) * 1e-9,
                    perLayer: remaining ?? outline.layers.map { _ in length })
            }
        }
    }

    /// A table to paste into an issue.
    var markdown: String {
        var table = MarkdownTable(columns: [
            ("model", false), ("reduction", false), ("tokens", true), ("at the end", true), ("GMAC", true),
            ("reduced", true), ("published", true), ("share", true),
        ])
        for row in rows {
            table.rows.append([
                row.model, row.reduction, "\(row.tokens)", "\(row.remaining)", row.full.rounded(to: 2),
                row.reduced.rounded(to: 2), row.published, (row.reduced / row.full).asPercent,
            ])
        }
        return table.text
    }

    /// The same for programs, with the tokens after each layer.
    var json: JSON {
        .array(
            rows.map { row in
                [
                    "model": .string(row.model), "reduction": .string(row.reduction), "tokens": .integer(row.tokens),
                    "remaining": .array(row.perLayer.map { .integer($0) }), "multiply_adds": .number(row.full * 1e9),
                    "reduced_multiply_adds": .number(row.reduced * 1e9), "published_gmac": .string(row.published),
                ]
            })
    }
}
