import ArgumentParser
import Nestling

/// Lists of numbers, as arguments.
enum NumberList {
    /// `1,2,3`; spaces around the numbers are fine.
    static func commas(_ text: String) throws -> [Int] {
        try parts(text).map { part in
            guard let number = Int(part) else { throw ValidationError("\(part.quoted) is not a whole number") }
            return number
        }
    }

    /// Positive numbers: `1,2,3`.
    static func positive(_ text: String) throws -> [Int] {
        try commas(text).map { number in
            guard number >= 1 else { throw ValidationError("\(number) is not at least 1") }
            return number
        }
    }

    /// Shares, above 0 and at most 1: `0.9,0.5`.
    static func shares(_ text: String) throws -> [Double] {
        try parts(text).map { part in
            guard let share = Double(part), share > 0, share <= 1 else {
                throw ValidationError("\(part.quoted) is not in 0 < share <= 1")
            }
            return share
        }
    }

    /// Indices and ranges of them: `0-3,5`.
    static func ranges(_ text: String) throws -> [Int] {
        var numbers: [Int] = []
        for part in parts(text) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            switch (ends.count, ends.first ?? nil, ends.last ?? nil) {
            case (1, let number?, _): numbers.append(number)
            case (2, let first?, let last?) where first <= last && last - first < 1_000_000: numbers += first...last
            default: throw ValidationError("\(part.quoted) is neither a number nor a range such as 0-3")
            }
        }
        return numbers
    }

    /// Token ids: `101,7592,102`.
    static func tokenIDs(_ text: String) throws -> [Int32] {
        try text.split { $0 == "," || $0 == " " }.map { part in
            guard let id = Int32(part) else { throw ValidationError("\(String(part).quoted) is not a token id") }
            return id
        }
    }

    /// The parts between commas.
    static func parts(_ text: String) -> [String] {
        text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
    }
}

/// What a submodel keeps, as an argument.
enum Extents {
    /// A share up to 1, a width, or a width for each kept layer. Nobody means a width of 1 by `1`.
    static func widths(_ text: String) throws -> SubmodelSpec.Extent { text == "1" ? .ratio(1) : try extent(text) }

    /// A share below 1, a number, or a number for each kept layer.
    static func heads(_ text: String) throws -> SubmodelSpec.Extent { try extent(text) }

    private static func extent(_ text: String) throws -> SubmodelSpec.Extent {
        if let ratio = share(text) {
            guard ratio > 0, ratio <= 1 else { throw ValidationError("\(text.quoted) is not in 0 < share <= 1") }
            return .ratio(ratio)
        }
        return .exact(try NumberList.positive(text))
    }

    /// `0.5` or `3/4`; whole numbers are no shares.
    private static func share(_ text: String) -> Double? {
        let terms = text.split(separator: "/", omittingEmptySubsequences: false)
        if terms.count == 2, let above = Int(terms[0]), let below = Int(terms[1]), below > 0 {
            return Double(above) / Double(below)
        }
        return text.contains(".") ? Double(text) : nil
    }
}
