public import NestlingBasics
public import NestlingModels

/// Sequences of token ids, back to back and without padding.
public struct TokenBatch: Sendable, Equatable {
    /// All token ids.
    public private(set) var ids: [Int32] = []
    /// One type id for each token, or empty: all 0.
    public private(set) var typeIDs: [Int32] = []
    /// Sequence `s` is `ids[offsets[s] ..< offsets[s + 1]]`.
    public private(set) var offsets = [0]

    /// A batch without sequences.
    public init() {}

    /// A batch of `sequences`, all of type 0.
    public init(_ sequences: [[Int32]]) { for sequence in sequences { append(sequence) } }

    /// The token ids of encodings; of type 0 if all their tokens are.
    init(_ encodings: Encodings) {
        ids = Array(encodings.ids)
        if encodings.typeIDs.contains(where: { $0 != 0 }) { typeIDs = Array(encodings.typeIDs) }
        offsets = Array(encodings.offsets)
    }

    /// Number of sequences.
    public var count: Int { offsets.count - 1 }

    /// Adds a sequence; type ids are all 0 unless given, one for each token.
    public mutating func append(_ sequence: [Int32], typeIDs types: [Int32]? = nil) {
        if let types {
            if typeIDs.isEmpty { typeIDs = Array(repeating: 0, count: ids.count) }
            typeIDs += types
        } else if !typeIDs.isEmpty {
            typeIDs += Array(repeating: 0, count: sequence.count)
        }
        ids += sequence
        offsets.append(ids.count)
    }

    /// Adds the sequences of another batch.
    public mutating func append(contentsOf other: TokenBatch) {
        if typeIDs.isEmpty != other.typeIDs.isEmpty {
            if typeIDs.isEmpty { typeIDs = Array(repeating: 0, count: ids.count) }
            typeIDs += other.typeIDs.isEmpty ? Array(repeating: 0, count: other.ids.count) : other.typeIDs
        } else {
            typeIDs += other.typeIDs
        }
        offsets += other.offsets.dropFirst().map { $0 + ids.count }
        ids += other.ids
    }

    /// Lends the batch to the engine.
    public func withBatch<Result>(_ body: (Batch) throws(Failure) -> Result) throws(Failure) -> Result {
        var result: Swift.Result<Result, Failure>?
        ids.withUnsafeBufferPointer { ids in
            typeIDs.withUnsafeBufferPointer { types in
                offsets.withUnsafeBufferPointer { offsets in
                    do throws(Failure) {
                        result = .success(try body(Batch(ids: ids, types: types, offsets: offsets)))
                    } catch {
                        result = .failure(error)
                    }
                }
            }
        }
        guard let result else { throw Failure(.internal, "the batch was not lent") }
        return try result.get()
    }
}
