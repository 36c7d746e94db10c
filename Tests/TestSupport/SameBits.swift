import Testing

/// Expects two lists of vectors to be equal to the last bit; says where they are not.
public func expectSameBits(
    _ found: [[Float]], _ expected: [[Float]], _ what: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    guard found.map(\.count) == expected.map(\.count) else {
        Issue.record("\(what): other sizes", sourceLocation: sourceLocation)
        return
    }
    for index in found.indices {
        let different = zip(found[index], expected[index]).count { $0.bitPattern != $1.bitPattern }
        if different > 0 {
            let error = Agreement.relativeError(found[index], expected[index])
            Issue.record(
                "\(what): sequence \(index): \(different) of \(found[index].count) numbers differ, relative error \(error)",
                sourceLocation: sourceLocation)
            return
        }
    }
}
