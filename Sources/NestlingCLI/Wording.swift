import Nestling

extension Int {
    /// `22,713,216`
    var grouped: String {
        let digits = String(magnitude)
        var result = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { result += "," }
            result.append(digit)
        }
        return self < 0 ? "-" + result : result
    }

    /// `90.9 MB`
    var asBytes: String {
        if self < 1000 { return "\(self) bytes" }
        var value = Double(self)
        var unit = "bytes"
        for next in ["kB", "MB", "GB", "TB"] where value >= 1000 {
            value /= 1000
            unit = next
        }
        return "\(value.rounded(to: value < 10 ? 2 : 1)) \(unit)"
    }

    /// `22.7 M`
    var asMillions: String {
        let value = Double(self) / 1e6
        return "\(value.rounded(to: value < 1 ? 3 : value < 100 ? 1 : 0)) M"
    }
}

extension Double {
    /// The number with `digits` digits after the point.
    func rounded(to digits: Int) -> String {
        guard isFinite else { return isNaN ? "nan" : self < 0 ? "-inf" : "inf" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        guard magnitude * scale < 9e15 else { return "\(self)" }
        let whole = Int((magnitude * scale).rounded())
        let sign = self < 0 && whole > 0 ? "-" : ""
        guard digits > 0 else { return sign + String(whole) }
        let fraction = String(whole % Int(scale))
        return sign + "\(whole / Int(scale))." + String(repeating: "0", count: digits - fraction.utf8.count) + fraction
    }

    /// The number with about three digits that mean something.
    var short: String { rounded(to: magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3) }
}

extension String {
    /// The text with spaces after it, to `width` characters.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }

    /// The text with spaces before it, to `width` characters.
    func aligned(to width: Int) -> String { String(repeating: " ", count: Swift.max(0, width - count)) + self }

    /// The text without control characters, which could command the terminal.
    var printable: String {
        guard unicodeScalars.contains(where: \.isControl) else { return self }
        var result = String.UnicodeScalarView()
        for scalar in unicodeScalars { result.append(scalar.isControl ? " " : scalar) }
        return String(result)
    }

    /// The last part of a path: how people call a checkpoint.
    var lastPathComponent: String { split(separator: "/").last.map { String($0).printable } ?? self }
}

extension Unicode.Scalar {
    fileprivate var isControl: Bool { value < 0x20 || (0x7F...0x9F).contains(value) }
}

/// `4 per layer` if all layers agree, or else a list.
func perLayer(_ values: [Int]) -> String {
    guard let first = values.first else { return "none" }
    if values.allSatisfy({ $0 == first }) { return first.grouped + (values.count > 1 ? " in every layer" : "") }
    return values.map { String($0) }.joined(separator: ", ")
}

/// The name and value of one line of a report, values below each other.
func report(_ lines: [(name: String, value: String)]) -> String {
    let width = (lines.map(\.name.count).max() ?? 0) + 2
    return lines.map { "  " + $0.name.padded(to: width) + $0.value + "\n" }.joined()
}

/// A table in Markdown, which also reads well as it is: columns are padded, numbers stand right.
struct MarkdownTable {
    /// Titles, and whether the column holds numbers.
    let columns: [(title: String, isNumber: Bool)]
    /// The cells of each row.
    var rows: [[String]] = []

    /// The table as text.
    var text: String {
        let widths = columns.indices.map { column in
            max(3, columns[column].title.count, rows.map { $0[column].count }.max() ?? 0)
        }
        func line(_ cells: [String]) -> String {
            let padded = cells.enumerated().map { column, cell in
                columns[column].isNumber ? cell.aligned(to: widths[column]) : cell.padded(to: widths[column])
            }
            return "| " + padded.joined(separator: " | ") + " |\n"
        }
        let rule = columns.enumerated().map { column, title in
            title.isNumber
                ? String(repeating: "-", count: widths[column] - 1) + ":"
                : String(repeating: "-", count: widths[column])
        }
        return line(columns.map(\.title)) + "| " + rule.joined(separator: " | ") + " |\n" + rows.map(line).joined()
    }
}
