import NestlingBasics

/// What transformers makes of a SentencePiece model for one tokenizer class: facts of the class, no code.
/// Source: `tokenization_*.py` and `convert_slow_tokenizer.py` of transformers 5.
struct ConvertedFamily {
    /// How the ids of the file become those of the tokenizer.
    enum Layout {
        /// As in the file.
        case same
        /// The first pieces are replaced by these special tokens and the mask token comes last, as fairseq has it.
        case fairseq([String], dropping: Int, languages: [String])
        /// `<extra_id_0>` and so on come last, in falling order.
        case extraIDs
    }

    /// Whether text is cut by merges, as in Llama, or by scores.
    var usesMerges = false
    /// The special tokens by their keys in `tokenizer_config.json`.
    var names: [String: String] = [:]
    /// Whether the mask token takes the spaces before it.
    var maskStripsLeft = false
    var layout = Layout.same
    /// The id of the unknown token, if it is always the same.
    var unknownID: Int32?
    /// Special tokens around one text and around two, by their keys; `A` and `B` are the texts. Nil: `add_bos_token` and
    /// `add_eos_token` say.
    var template: (single: [Part], pair: [Part])?

    /// A part of a template: a key or text, and its token type.
    struct Part: ExpressibleByStringLiteral {
        var key: String
        var typeID = 0

        init(stringLiteral key: String) { self.key = key }
        init(_ key: String, _ typeID: Int) { (self.key, self.typeID) = (key, typeID) }
    }

    /// The special tokens' keys in the order in which transformers adds them.
    static let keys = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

    private static let languages = [
        "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN", "hi_IN", "it_IT", "ja_XX",
        "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO", "ru_RU", "si_LK", "tr_TR", "vi_VN",
        "zh_CN",
    ]

    private static func names(_ list: [String]) -> [String: String] {
        var names: [String: String] = [:]
        for (key, name) in zip(keys, list) where !name.isEmpty { names[key] = name }
        return names
    }

    private static let fairseqNames = names(["<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"])
    private static let fairseqTemplate: ([Part], [Part]) = (
        ["bos_token", "A", "eos_token"], ["bos_token", "A", "eos_token", "eos_token", "B", "eos_token"]
    )
    private static let bertTemplate: ([Part], [Part]) = (
        ["cls_token", "A", "sep_token"],
        ["cls_token", "A", "sep_token", Part("B", 1), Part("sep_token", 1)]
    )

    /// The family of the class `name`, with or without `Fast` at its end, or nil if it is not known.
    init?(className name: String) {
        switch name.hasSuffix("Fast") ? String(name.dropLast(4)) : name {
        case "LlamaTokenizer":
            usesMerges = true
            names = Self.names(["<s>", "</s>", "<unk>"])
        case "GemmaTokenizer":
            usesMerges = true
            names = Self.names(["<bos>", "<eos>", "<unk>", "", "<pad>", "", "<mask>"])
        case "T5Tokenizer":
            names = Self.names(["", "</s>", "<unk>", "", "<pad>"])
            layout = .extraIDs
            unknownID = 2
            template = (["A", "eos_token"], ["A", "eos_token", "B", "eos_token"])
        case "XLMRobertaTokenizer":
            names = Self.fairseqNames
            layout = .fairseq(["bos_token", "pad_token", "eos_token", "unk_token"], dropping: 3, languages: [])
            unknownID = 3
            template = Self.fairseqTemplate
        case "MBartTokenizer":
            names = Self.fairseqNames
            maskStripsLeft = true
            layout = .fairseq(
                ["bos_token", "pad_token", "eos_token", "unk_token"], dropping: 3, languages: Self.languages)
            unknownID = 3
            template = (["A", "eos_token", "src_lang"], ["A", "B", "eos_token", "src_lang"])
        case "CamembertTokenizer":
            names = Self.fairseqNames
            maskStripsLeft = true
            layout = .fairseq(
                ["<s>NOTUSED", "pad_token", "</s>NOTUSED", "unk_token", "<unk>NOTUSED"], dropping: 1, languages: [])
            unknownID = 3
            template = Self.fairseqTemplate
        case "AlbertTokenizer":
            names = Self.names(["[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"])
            unknownID = 1
            template = Self.bertTemplate
        case "XLNetTokenizer":
            names = Self.names(["<s>", "</s>", "<unk>", "<sep>", "<pad>", "<cls>", "<mask>"])
            maskStripsLeft = true
            template = (
                ["A", "sep_token", Part("cls_token", 2)],
                ["A", "sep_token", Part("B", 1), Part("sep_token", 1), Part("cls_token", 2)]
            )
        case "DebertaV2Tokenizer":
            names = Self.names(["[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"])
            template = Self.bertTemplate
        default: return nil
        }
    }
}
