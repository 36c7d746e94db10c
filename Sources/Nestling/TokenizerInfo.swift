public import NestlingBasics
public import NestlingTokenizers

extension Tokenizer {
    /// What the tokenizer is made of, as `nestling_tokenizer_describe` gives it.
    public var description: JSON {
        [
            "model": .string(modelName),
            "vocabulary_size": .integer(vocabularySize),
            "vocabulary_size_without_added": .integer(modelVocabularySize),
            "special_tokens_to_add": [
                "single": .integer(specialTokenCount(isPair: false)), "pair": .integer(specialTokenCount(isPair: true)),
            ],
            "added_tokens": .array(addedTokenList.map(\.description)),
            "truncation": truncation?.description ?? .null,
            "padding": padding?.description ?? .null,
        ]
    }
}

extension AddedToken {
    fileprivate var description: JSON {
        [
            "id": .integer(Int(id)), "content": .string(content), "special": .bool(isSpecial),
            "lstrip": .bool(stripsLeft), "rstrip": .bool(stripsRight), "single_word": .bool(isSingleWord),
            "normalized": .bool(isNormalized),
        ]
    }
}

extension Truncation {
    fileprivate var description: JSON {
        let strategy =
            switch strategy {
            case .longestFirst: "longest_first"
            case .onlyFirst: "only_first"
            case .onlySecond: "only_second"
            }
        return [
            "max_length": .integer(maximumTokens), "stride": .integer(stride), "strategy": .string(strategy),
            "direction": .string(direction == .left ? "left" : "right"),
        ]
    }
}

extension Padding {
    fileprivate var description: JSON {
        [
            "length": length.map { .integer($0) } ?? .null, "pad_id": .integer(Int(id)),
            "pad_type_id": .integer(Int(typeID)), "pad_token": .string(token),
            "direction": .string(isLeft ? "left" : "right"),
            "pad_to_multiple_of": multiple.map { .integer($0) } ?? .null,
        ]
    }
}
