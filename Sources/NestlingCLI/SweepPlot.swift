import Nestling

/// A sweep as a drawing: agreement with the full model upwards, time to the right, a colour for each method. Points are filled
/// where the reduction pays.
struct SweepPlot {
    private let report: SweepReport

    private static let size = (width: 900, height: 560)
    private static let area = (left: 80.0, right: 680.0, top: 64.0, bottom: 500.0)
    /// Colours that people with the common kinds of colour blindness can tell apart (Okabe and Ito 2008), the yellow darker.
    private static let colours = [
        "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#a09000",
    ]

    init(_ report: SweepReport) { self.report = report }

    /// The file.
    var svg: String {
        let rows = report.sweep.rows
        let full = rows.map { $0.fullSeconds.median }.reduce(0, +) / Double(max(1, rows.count)) * 1e3
        let times = PlotAxis(rows.map { $0.seconds.median * 1e3 } + [full], from: Self.area.left, to: Self.area.right)
        let cosines = PlotAxis(rows.map(\.meanCosine) + [1], from: Self.area.bottom, to: Self.area.top)
        var drawing = SVGDocument(width: Self.size.width, height: Self.size.height)
        draw(times, cosines, into: &drawing)
        let fullPlace = times.place(full)
        drawing.line(
            x1: fullPlace, y1: Self.area.top, x2: fullPlace, y2: Self.area.bottom, stroke: "#606060", dashes: "4 3")
        drawing.text("full model", x: fullPlace - 4, y: Self.area.bottom - 6, anchor: .end, size: 11, fill: "#606060")
        for (index, series) in series.enumerated() {
            let colour = Self.colours[index % Self.colours.count]
            let points = series.rows.map { (times.place($0.seconds.median * 1e3), cosines.place($0.meanCosine)) }
            drawing.path(points.map { (x: $0.0, y: $0.1) }, stroke: colour)
            for (row, (x, y)) in zip(series.rows, points) {
                drawing.disc(
                    x: x, y: y, radius: 4, fill: row.gain.pays ? colour : "white", stroke: colour,
                    note: "\(row.reduction.label): cosine \(row.meanCosine.rounded(to: 5)), "
                        + "\(row.gain.measured.rounded(to: 2)) times as quick, predicted \(row.gain.predicted.rounded(to: 2))"
                )
                drawing.text(row.reduction.value, x: x + 6, y: y - 5, size: 9, fill: colour)
            }
            let y = Self.area.top + 10 + Double(index) * 18
            drawing.disc(x: Self.area.right + 20, y: y, radius: 4, fill: colour, stroke: colour, note: series.name)
            drawing.text(
                series.name.count > 30 ? series.name.prefix(29) + "…" : series.name, x: Self.area.right + 30, y: y + 4)
        }
        let below = Self.area.top + 24 + Double(series.count) * 18
        drawing.disc(x: Self.area.right + 20, y: below, radius: 4, fill: "white", stroke: "#606060", note: "")
        drawing.text("does not pay", x: Self.area.right + 30, y: below + 4, fill: "#606060")
        return drawing.text
    }

    /// The reductions of each method, in the order in which they came.
    private var series: [(name: String, rows: [Sweep.Row])] {
        var series: [(name: String, rows: [Sweep.Row])] = []
        for row in report.sweep.rows {
            let name = row.reduction.series
            if let index = series.firstIndex(where: { $0.name == name }) {
                series[index].rows.append(row)
            } else {
                series.append((name, [row]))
            }
        }
        return series
    }

    /// The frame, its ticks, and what they mean.
    private func draw(_ times: PlotAxis, _ cosines: PlotAxis, into drawing: inout SVGDocument) {
        let (left, right, top, bottom) = Self.area
        for tick in times.ticks {
            let x = times.place(tick.value)
            drawing.line(x1: x, y1: top, x2: x, y2: bottom, stroke: "#e4e4e4")
            drawing.text(tick.text, x: x, y: bottom + 18, anchor: .middle)
        }
        for tick in cosines.ticks {
            let y = cosines.place(tick.value)
            drawing.line(x1: left, y1: y, x2: right, y2: y, stroke: "#e4e4e4")
            drawing.text(tick.text, x: left - 8, y: y + 4, anchor: .end)
        }
        drawing.rectangle(x: left, y: top, width: right - left, height: bottom - top, fill: "none", stroke: "#808080")
        let middle = (left + right) / 2
        let sweep = report.sweep
        drawing.text("\(report.name): reduced runs beside the full one", x: middle, y: 26, anchor: .middle, size: 16)
        drawing.text(
            "\(sweep.inputs.grouped) \(sweep.model.image == nil ? "texts" : "images"), \(sweep.tokens.grouped) tokens, "
                + "\(sweep.model.dtype.rawValue), \(Engine.threadCount == 1 ? "1 thread" : "\(Engine.threadCount) threads")",
            x: middle, y: 46, anchor: .middle, fill: "#606060")
        drawing.text("milliseconds for all of them", x: middle, y: bottom + 42, anchor: .middle)
        drawing.text(
            "mean cosine with the full model's vectors", x: 22, y: (top + bottom) / 2, anchor: .middle, angle: -90)
    }
}
