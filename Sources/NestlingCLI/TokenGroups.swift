import Nestling

/// Which tokens of one sequence are one after a layer.
struct TokenGroups {
    /// The layer, counted from 1; 0: before the first.
    let layer: Int
    /// The group of each original token; `nil`: it was pruned.
    let group: [Int?]
    /// How many original tokens each group has: the tokens that are left.
    let sizes: [Int]

    /// Groups by the row that each original token went to, below 0 if to none; rows are renumbered in order of appearance.
    init(layer: Int, rows: [Int32]) {
        self.layer = layer
        var numbers: [Int32: Int] = [:]
        var sizes: [Int] = []
        group = rows.map { row in
            guard row >= 0 else { return nil }
            let number = numbers[row] ?? sizes.count
            if number == sizes.count { sizes.append(0) }
            numbers[row] = number
            sizes[number] += 1
            return number
        }
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

    /// Token after token; those of a group of several share a number, and pruned ones are struck out:
    /// `sat(2) on the mat(2) ~today~`.
    func text(_ tokens: [String]) -> String {
        var numbers: [Int: Int] = [:]
        return zip(tokens, group).map { token, group in
            guard let group else { return "~\(token.printable)~" }
            guard sizes[group] > 1 else { return token.printable }
            let number = numbers[group] ?? numbers.count + 1
            numbers[group] = number
            return "\(token.printable)(\(number))"
        }.joined(separator: " ")
    }

    /// `{"layer", "tokens", "groups": [...]}`: the group of each original token, null if it was pruned.
    var json: JSON {
        let groups = group.map { group -> JSON in group.map { .integer($0) } ?? .null }
        return ["layer": .integer(layer), "tokens": .integer(sizes.count), "groups": .array(groups)]
    }

    /// How many tokens each of `all` leaves, as a table.
    static func table(_ all: [TokenGroups]) -> String {
        let first = all.first?.sizes.count ?? 0
        var lines = ["layer  tokens   left  largest group"]
        for groups in all {
            let count = groups.sizes.count
            let left = (100 * Double(count) / Double(max(1, first))).rounded(to: 0) + "%"
            lines.append(
                "\(groups.layer)".aligned(to: 5) + count.grouped.aligned(to: 8) + left.aligned(to: 7)
                    + "\(groups.sizes.max() ?? 0)".aligned(to: 15))
        }
        return lines.joined(separator: "\n")
    }
}
