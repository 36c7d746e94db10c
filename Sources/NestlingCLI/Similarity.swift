import Nestling

/// The cosines between all pairs of vectors.
struct Similarity {
    /// A matrix of more rows is no use to a person, and grows with their square.
    static let mostTexts = 4096

    /// `values[i][j]`: the cosine between vectors `i` and `j`; 0 where one is zero.
    let values: [[Float]]

    /// Compares `vectors`.
    init(_ vectors: [[Float]]) {
        let lengths = vectors.map { Similarity.product($0, $0).squareRoot() }
        var values = Array(repeating: Array(repeating: Float(0), count: vectors.count), count: vectors.count)
        for row in vectors.indices {
            for column in 0...row {
                let scale = lengths[row] * lengths[column]
                guard scale > 0 else { continue }
                values[row][column] = Float(Similarity.product(vectors[row], vectors[column]) / scale)
                values[column][row] = values[row][column]
            }
        }
        self.values = values
    }

    /// The cosine between two vectors; 0 if one is zero, 1 if both are.
    static func cosine(_ left: [Float], _ right: [Float]) -> Double {
        let (leftSquare, rightSquare) = (product(left, left), product(right, right))
        if leftSquare == 0, rightSquare == 0 { return 1 }
        guard leftSquare > 0, rightSquare > 0 else { return 0 }
        return product(left, right) / (leftSquare * rightSquare).squareRoot()
    }

    /// The sum of the products of the elements.
    private static func product(_ left: [Float], _ right: [Float]) -> Double {
        var sum = 0.0
        for (a, b) in zip(left, right) { sum += Double(a) * Double(b) }
        return sum
    }

    /// The matrix for people: a row and a column for each text, the text at the end of its row.
    func table(_ labels: [String]) -> String {
        let width = 7
        let numbers = String(values.count).count
        var text = String(repeating: " ", count: numbers)
        for column in values.indices { text += "\(column + 1)".aligned(to: width) }
        text += "\n"
        for (row, cosines) in values.enumerated() {
            text += "\(row + 1)".aligned(to: numbers)
            for cosine in cosines { text += Double(cosine).rounded(to: 3).aligned(to: width) }
            text += "  " + labels[row] + "\n"
        }
        return text
    }
}
