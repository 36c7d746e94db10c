/// A drawing in SVG 1.1: just the shapes that plots are made of. Lengths are in pixels, from the upper left corner.
struct SVGDocument {
    private let width, height: Int
    private var body = ""

    /// An empty, white drawing.
    init(width: Int, height: Int) {
        (self.width, self.height) = (width, height)
        rectangle(x: 0, y: 0, width: Double(width), height: Double(height), fill: "white")
    }

    /// The file.
    var text: String {
        """
        <?xml version="1.0" encoding="UTF-8"?>
        <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)" \
        font-family="sans-serif" font-size="12">
        \(body)</svg>

        """
    }

    mutating func rectangle(x: Double, y: Double, width: Double, height: Double, fill: String, stroke: String = "none")
    {
        add("rect", [("x", x), ("y", y), ("width", width), ("height", height)], ["fill": fill, "stroke": stroke])
    }

    mutating func line(x1: Double, y1: Double, x2: Double, y2: Double, stroke: String, dashes: String? = nil) {
        var attributes = ["stroke": stroke]
        if let dashes { attributes["stroke-dasharray"] = dashes }
        add("line", [("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)], attributes)
    }

    /// A line through all points.
    mutating func path(_ points: [(x: Double, y: Double)], stroke: String) {
        let list = points.map { "\($0.x.rounded(to: 2)),\($0.y.rounded(to: 2))" }.joined(separator: " ")
        add("polyline", [], ["points": list, "fill": "none", "stroke": stroke, "stroke-width": "1.5"])
    }

    /// A disc; `note` appears where the pointer rests on it.
    mutating func disc(x: Double, y: Double, radius: Double, fill: String, stroke: String, note: String) {
        add(
            "circle", [("cx", x), ("cy", y), ("r", radius)], ["fill": fill, "stroke": stroke, "stroke-width": "1.5"],
            content: "<title>\(Self.escaped(note))</title>")
    }

    /// Where text stands beside its point.
    enum Anchor: String {
        case start, middle, end
    }

    /// One line of text; `angle` turns it clockwise about its point.
    mutating func text(
        _ text: String, x: Double, y: Double, anchor: Anchor = .start, size: Int = 12, fill: String = "black",
        angle: Int = 0
    ) {
        var attributes = ["text-anchor": anchor.rawValue, "font-size": "\(size)", "fill": fill]
        if angle != 0 { attributes["transform"] = "rotate(\(angle) \(x.rounded(to: 2)) \(y.rounded(to: 2)))" }
        add("text", [("x", x), ("y", y)], attributes, content: Self.escaped(text))
    }

    private mutating func add(
        _ name: String, _ places: [(name: String, value: Double)], _ attributes: [String: String], content: String = ""
    ) {
        body += "<" + name
        for place in places { body += " \(place.name)=\"\(place.value.rounded(to: 2))\"" }
        for (key, value) in attributes.sorted(by: { $0.key < $1.key }) { body += " \(key)=\"\(Self.escaped(value))\"" }
        body += content.isEmpty ? "/>\n" : ">\(content)</\(name)>\n"
    }

    /// Text as XML wants it: no markup, no control characters.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.printable.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
