/// A token that is found in the text before anything else looks at it.
public struct AddedToken: Sendable, Equatable {
    /// Its id.
    public let id: Int32
    /// Its text.
    public let content: String
    /// Whether decoding leaves it out on demand.
    public let isSpecial: Bool
    /// Whether it swallows the white space before it.
    public let stripsLeft: Bool
    /// Whether it swallows the white space behind it.
    public let stripsRight: Bool
    /// Whether it is only found where no word character is next to it.
    public let isSingleWord: Bool
    /// Whether it is looked for in the normalized text.
    public let isNormalized: Bool
}

/// What a tokenizer can tell about itself.
extension Tokenizer {
    /// The kind of model: `BPE`, `WordPiece`, `Unigram` or `WordLevel`.
    public var modelName: String { model.name }

    /// How many tokens the model has without the added ones.
    public var modelVocabularySize: Int { model.count }

    /// The added tokens in the order of their ids.
    public var addedTokenList: [AddedToken] {
        addedTokens.all.map { id, token in
            AddedToken(
                id: id, content: token.content, isSpecial: token.special, stripsLeft: token.stripLeft,
                stripsRight: token.stripRight, isSingleWord: token.singleWord, isNormalized: token.normalized)
        }
    }

    /// How many special tokens ``encode(_:pair:addSpecialTokens:truncation:)`` adds to one text, or to a pair.
    public func specialTokenCount(isPair: Bool) -> Int { postProcessor?.addedTokens(isPair: isPair) ?? 0 }
}
