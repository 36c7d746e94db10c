/// The heads that checkpoints carry. The raw values are those of `NESTLING_HEAD_...`.
public enum HeadKind: UInt32, Sendable, CaseIterable {
    /// Per token, one score for each vocabulary entry.
    case maskedLM = 1
    /// Per sequence or image, one score for each label.
    case sequenceClassification = 2
    /// Per token, one score for each label.
    case tokenClassification = 3
    /// Per token, two scores: the answer starts here, ends here.
    case questionAnswering = 4
    /// Per token, one score: the token was replaced (ELECTRA's discriminator).
    case replacedToken = 5
    /// Per token, one score for each vocabulary entry: the next token (decoders).
    case causalLM = 6

    /// The name in architectures, descriptions and options.
    public var name: String {
        switch self {
        case .maskedLM: "masked_lm"
        case .sequenceClassification: "sequence_classification"
        case .tokenClassification: "token_classification"
        case .questionAnswering: "question_answering"
        case .replacedToken: "replaced_token"
        case .causalLM: "causal_lm"
        }
    }

    /// The head called `name`.
    public init?(name: String) {
        guard let kind = HeadKind.allCases.first(where: { $0.name == name }) else { return nil }
        self = kind
    }

    /// The head of a transformers class such as `BertForMaskedLM`.
    init?(className: String) {
        if className.hasSuffix("ForMaskedLM") {
            self = .maskedLM
        } else if ["ForCausalLM", "LMHeadModel", "Gemma3ForConditionalGeneration", "Gemma3nForConditionalGeneration"]
            .contains(where: className.hasSuffix)
        {
            self = .causalLM
        } else if ["ForSequenceClassification", "ForImageClassification", "ForImageClassificationWithTeacher"]
            .contains(where: className.hasSuffix)
        {
            self = .sequenceClassification
        } else if className.hasSuffix("ForTokenClassification") {
            self = .tokenClassification
        } else if className.hasSuffix("ForQuestionAnswering") {
            self = .questionAnswering
        } else if className == "ElectraForPreTraining" {
            self = .replacedToken
        } else {
            return nil
        }
    }
}
