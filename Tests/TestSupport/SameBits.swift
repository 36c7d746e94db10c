import NestlingBlocks
import NestlingModels
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

extension Network {
    /// Expects sequences to give the same together, in slices and alone, on two threads and on one; returns what they give.
    public func expectSameBitsInAnyBatch(
        _ sequences: TokenSequences, _ request: Request, reducer: (any Reducer)? = nil, _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [[Float]] {
        let together = try runner(threads: 2).run(sequences, request, reducer: reducer)
        let sliced = try runner(sliceTokens: 16, threads: 1).run(sequences, request, reducer: reducer)
        let own = runner(threads: 1)
        let alone = try (0..<sequences.count).flatMap { try own.run(sequences[$0], request, reducer: reducer) }
        expectSameBits(together, alone, "together \(what)", sourceLocation: sourceLocation)
        expectSameBits(sliced, alone, "in slices \(what)", sourceLocation: sourceLocation)
        return together
    }
}
