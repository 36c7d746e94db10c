public import NestlingBasics

/// What a step has brought for a request.
public enum GenerationEvent: Sendable {
    /// The next token.
    case token(GeneratedToken)
    /// Nothing more will come.
    case finished(FinishReason)
}

/// A generated token.
public struct GeneratedToken: Sendable {
    /// Its id.
    public let token: Int32
    /// By the model, before any option of sampling; `nil` if it was not asked for.
    public let logProbability: Double?
    /// The most probable tokens by the model, as many as were asked for.
    public let leading: [TokenScore]
}

/// Why a request has ended.
public enum FinishReason: Sendable {
    /// As many tokens as were asked for.
    case length
    /// A token that ends the text.
    case stopToken
    /// A string that ends the text.
    case stopString
    /// The model's context is full.
    case context
    /// The caller did not want more.
    case cancelled
    /// Something went wrong with this request; others go on.
    case failed(Failure)
}
