import Nestling

/// Which tokens of one sequence are one after a layer.
struct TokenGroups {
    /// The layer, counted from 1; 0: before the first.
    let layer: Int
    /// The group of each original token.
    let group: [Int]
    /// Groups: the tokens that are left.
    let count: Int
    /// How many original tokens each group has.
    let sizes: [Int]

    /// Groups by the row that each original token went to; rows are renumbered in order of appearance.
    init(layer: Int, rows: [Int32]) {
        self.layer = layer
        var numbers: [Int32: Int] = [:]
        group = rows.map { row in
            let number = numbers[row] ?? numbers.count
            numbers[row] = number
            return number
        }
        count = numbers.count
        var sizes = [Int](repeating: 0, count: count)
        for number in group { sizes[number] += 1 }
        self.sizes = sizes
    }

    /// The groups before the first layer and after each of `layers` layers of the session's last run.
    static func all(_ session: Session, tokens: Int, layers: Int) throws(Failure) -> [TokenGroups] {
        var all = [TokenGroups(layer: 0, rows: (0..<Int32(tokens)).map { $0 })]
        for layer in 0..<layers {
            all.append(TokenGroups(layer: layer + 1, rows: try session.tokenMap(layer: layer + 1)))
        }
        return all
    }

    /// Token after token; those of a group of several share a number, `sat(2) on the mat(2)`.
    func text(_ tokens: [String]) -> String {
        var numbers: [Int: Int] = [:]
        return zip(tokens, group).map { token, group in
            guard sizes[group] > 1 else { return token.printable }
            let number = numbers[group] ?? numbers.count + 1
            numbers[group] = number
            return "\(token.printable)(\(number))"
        }.joined(separator: " ")
    }

    /// `{"layer", "tokens", "groups": [...]}`: the group of each original token.
    var json: JSON {
        ["layer": .integer(layer), "tokens": .integer(count), "groups": .array(group.map { .integer($0) })]
    }

    /// How many tokens each of `all` leaves, as a table.
    static func table(_ all: [TokenGroups]) -> String {
        let first = all.first?.count ?? 0
        var lines = ["layer  tokens   left  largest group"]
        for groups in all {
            let left = (100 * Double(groups.count) / Double(max(1, first))).rounded(to: 0) + "%"
            lines.append(
                "\(groups.layer)".aligned(to: 5) + groups.count.grouped.aligned(to: 8) + left.aligned(to: 7)
                    + "\(groups.sizes.max() ?? 0)".aligned(to: 15))
        }
        return lines.joined(separator: "\n")
    }
}
