public import NestlingBasics
public import NestlingBlocks

/// Reads a reduction as `nestling_run_options` describes it.
public enum Reducers {
    /// The one list of what exists: which reducer each `"method"` names.
    private static let all: [String: @Sendable (JSONFields) throws(Failure) -> any Reducer] = [
        "tome": BipartiteMerging.init(_:),
        "pitome": EnergyMerging.init(_:),
        "local": LocalMerging.init(_:),
        "evit": EViT.init(_:),
        "attention_received": AttentionPruning.init(_:),
        "tofu": TokenFusion.init(_:),
        "maelre": MAELRE.init(_:),
        "token_transforming": TokenTransforming.init(_:),
    ]

    /// What `"method"` can be, in alphabetical order.
    public static let methods = all.keys.sorted()

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
        guard let reducer = all[method] else {
            let known = methods.joined(separator: ", ")
            throw Failure(.invalidArgument, "reduction: method \(method.quoted) is not known; known are \(known)")
        }
        return try reducer(fields)
    }
}
