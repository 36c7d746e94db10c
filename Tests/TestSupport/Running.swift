import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingModels

/// Opens the network of a directory or GGUF file under `Tests/Fixtures`, or of a path.
public func openNetwork(_ directory: String, tower: Tower? = nil) throws -> Network {
    let path = directory.hasPrefix("/") ? directory : Fixtures.path(directory)
    return try Network(loading: CheckpointDescription(CheckpointPath.open(path), tower: tower), progress: nil)
}

extension Runner {
    /// Runs whole sequences and returns one array for each of them.
    public func run(
        _ sequences: [[Int32]], types: [[Int32]]? = nil, _ request: Request, reducer: (any Reducer)? = nil,
        progress: ProgressHandler? = nil
    ) throws -> [[Float]] {
        let ids = sequences.flatMap { $0 }
        let types = types?.flatMap { $0 } ?? []
        let offsets = sequences.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
        return try ids.withUnsafeBufferPointer { ids in
            try types.withUnsafeBufferPointer { types in
                try offsets.withUnsafeBufferPointer { offsets in
                    let batch = Batch(ids: ids, types: types, offsets: offsets)
                    let shape = try ResultShape(batch, request, reducer: reducer, network)
                    var result = [Float](repeating: .nan, count: try shape.elementCount())
                    try result.withUnsafeMutableBufferPointer { result in
                        if let base = result.baseAddress {
                            try run(
                                batch, request, shape: shape, reducer: reducer, into: base, progress: progress)
                        }
                    }
                    return (0..<sequences.count).map {
                        Array(result[shape.offsets[$0] * shape.columns..<shape.offsets[$0 + 1] * shape.columns])
                    }
                }
            }
        }
    }
}

extension Network {
    /// A runner with the usual settings.
    public func runner(sliceTokens: Int = 4096, threads: Int = 0, memoryLimit: Int = 0) -> Runner {
        Runner(self, sliceTokens: sliceTokens, threads: threads, memoryLimit: memoryLimit)
    }
}

extension Runner {
    /// Runs whole sequences and returns one array for each of them.
    public func run(
        _ sequences: TokenSequences, _ request: Request, reducer: (any Reducer)? = nil, progress: ProgressHandler? = nil
    ) throws -> [[Float]] {
        try run(sequences.ids, types: sequences.types, request, reducer: reducer, progress: progress)
    }

    /// ``tokenMap(layer:)`` of the last run, for each of its sequences.
    public func maps(_ sequences: TokenSequences, layer: Int? = nil) throws -> [[Int32]] {
        var rest = try tokenMap(layer: layer)[...]
        return sequences.ids.map { sequence in
            defer { rest = rest.dropFirst(sequence.count) }
            return Array(rest.prefix(sequence.count))
        }
    }
}

/// The failure that `body` throws, or `nil` if it succeeds.
public func failure<Result>(_ body: () throws -> Result) -> Failure? {
    do {
        _ = try body()
        return nil
    } catch {
        return error as? Failure
    }
}
