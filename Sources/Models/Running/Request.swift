public import Basics
public import Blocks

/// What a run is to give.
public enum Request: Sendable {
    /// One vector for each sequence.
    case vectors(VectorOptions)
    /// Hidden states of every token after `layer` blocks (0: the embedding); `unmerged` gives every original token a row.
    case states(layer: Int, unmerged: Bool)
    /// Scores of a head.
    case scores(HeadKind, unmerged: Bool)
}

/// How token vectors become sequence vectors, where the checkpoint's way is not wanted.
public struct VectorOptions: Sendable {
    /// `nil`: as the checkpoint says.
    public var pooling: Pooling?
    /// Whether to scale to length 1; `nil`: as the checkpoint says.
    public var normalizes: Bool?
    /// Leading dimensions to keep, before scaling; `nil`: all that the model gives.
    public var dimensions: Int?
    /// Leading tokens of each sequence that a mean leaves out: those of a prompt, where the checkpoint says so.
    public var skippedTokens = 0

    /// As the checkpoint says.
    public init() {}
}

/// Reads a reduction as `nestling_run_options` describes it.
public enum Reducers {
    /// The reducer that the JSON text says.
    public static func reducer(json text: String) throws(Failure) -> any Reducer {
        let parsed: JSON
        do throws(Failure) {
            parsed = try JSON.parse(text, name: "reduction")
        } catch {
            throw Failure(.invalidArgument, error.message)
        }
        let fields = try JSONFields(parsed, name: "reduction", kind: .invalidArgument)
        let method = try fields.string("method")
        switch method {
        case "tome": return try BipartiteMerging(fields)
        default: throw Failure(.invalidArgument, "reduction: method \(method.quoted) is not known; known are tome")
        }
    }
}
