import NestlingBasics

/// How a BPE of bytes cuts texts into words before it merges: what `tokenizer.ggml.pre` names. The names and the patterns are
/// facts of llama.cpp (llama-vocab.cpp), the patterns as the tokenizer.json of the models had them.
struct GGUFPreTokenizer {
    /// The `pre_tokenizer` of a tokenizer.json.
    let json: JSON
    /// Whether a word that is a token is one, whatever the merges say.
    var ignoresMerges = false
    /// Whether texts get the token of the beginning, where the file does not say.
    var addsFirst = false
    /// Whether characters are composed first (NFC).
    var composes = false

    /// Those of the name `pre`; `nil` if it is not known.
    init?(_ pre: String) {
        switch pre {
        case "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
            "jina-v5-nano":
            json = Self.split([Self.words(digits: 3)])
            ignoresMerges = true
            addsFirst = true
        case "dbrx", "smaug-bpe", "chatglm-bpe", "glm4": json = Self.split([Self.words(digits: 3)])
        case "qwen2", "deepseek-r1-qwen", "kormo", "megrez", "f2llmv2":
            json = Self.split([Self.words(digits: 1)])
            composes = true
        case "stablelm2", "hunyuan", "solar-open", "grok-2": json = Self.split([Self.words(digits: 1)])
        case "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "gigachat", "a.x-4.0", "mellum",
            "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "exaone4":
            json = ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true]
        case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2":
            json = Self.split([#"\p{N}"#, Self.gpt2])
        case "tekken":
            let (upper, lower) = (#"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#)
            let other = #"[^\r\n\p{L}\p{N}]?"#
            json = Self.split([
                "\(other)\(upper)*\(lower)+|\(other)\(upper)+\(lower)*"
                    + #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
            ])
            ignoresMerges = true
        case "default": json = Self.split([#"[\p{P}\$\+<=>\^~\|]+"#, Self.gpt2, #"\p{N}+"#, "[0-9][0-9][0-9]"])
        default:
            guard let patterns = Self.patterns[pre] else { return nil }
            json = Self.split(patterns)
            composes = pre == "qwen35"
            addsFirst = pre == "chameleon"
        }
    }

    /// What cuts texts where names share nothing but that.
    private static let patterns: [String: [String]] = {
        let bloom = #" ?[^(\s|.,!?…。，、।۔،)]+"#
        let bailing =
            #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
        let deepseek = [
            #"\p{N}{1,3}"#, "[一-龥\u{3040}-ゟ゠-ヿ]+",
            ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
                + #"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
        ]
        return [
            "deepseek-coder": [
                #"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, "[一-龥\u{800}-一가-\u{D7FF}]+", #"\p{N}"#,
            ],
            "deepseek-v3": deepseek, "hunyuan-dense": deepseek, "joyai-llm": deepseek, "hy_v4": deepseek,
            "falcon": [#"[\p{P}\$\+<=>\^~\|`]+"#, gpt2, "[0-9][0-9][0-9]"],
            "gpt-4o": [cased], "llama4": [cased], "kanana2": [cased], "talkie": [cased], "minimax-m2": [cased],
            "tiny_aya": [#"\d{1,3}(?=(?:\d{3})*\b)"#, cased], "cohere2moe": [#"\d{1,3}(?=(?:\d{3})*\b)"#, cased],
            "qwen35": [
                #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"#
                    + #"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
            ],
            "bloom": [bloom], "poro-chat": [bloom], "gpt3-finnish": [bloom], "viking": [bloom, #"\p{N}"#],
            "bailingmoe": [bailing], "bailingmoe2": [bailing], "llada-moe": [bailing],
            "seed-coder": [
                #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"#
                    + #"| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"#
            ],
            "ufakzeka": [
                #"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
            ],
            "laguna": [#"[^\n]+|[\n]+"#, words(digits: 1)],
            "exaone-moe": [
                #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"#
                    + #"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"#
            ],
            "chameleon": [
                "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", #"([\t\n]|    |  )"#, #"\p{N}"#,
                #"[\p{P}!-/:-@\[-`{-~]"#, gpt2,
            ],
        ]
    }()

    /// Words that begin with capitals, or are all of them, with their contractions; at most 3 digits; other characters.
    private static let cased: String = {
        let (upper, lower) = (#"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#)
        let (other, end) = (#"[^\r\n\p{L}\p{N}]?"#, "(?i:'s|'t|'re|'ve|'m|'ll|'d)?")
        return "\(other)\(upper)*\(lower)+\(end)|\(other)\(upper)+\(lower)*\(end)"
            + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }()

    /// Words, at most so many digits, or runs of other characters; contractions for themselves.
    private static func words(digits: Int) -> String {
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + (digits == 1 ? "" : "{1,\(digits)}")
            + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }

    private static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    /// Cuts by one pattern after the other, then writes bytes as characters.
    private static func split(_ patterns: [String]) -> JSON {
        var parts: [JSON] = patterns.map {
            ["type": "Split", "pattern": ["Regex": .string($0)], "behavior": "Isolated", "invert": false]
        }
        parts.append(["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false])
        return ["type": "Sequence", "pretokenizers": .array(parts)]
    }
}

extension GGUFTokenizer {
    /// What `tokenizer.ggml.pre` names; `nil` if the tokenizer is of another kind.
    func preTokenizer() throws(Failure) -> GGUFPreTokenizer? {
        guard try model() == .bytePairs else { return nil }
        let key = "tokenizer.ggml.pre"
        let name = try metadata.string(key, default: "default")
        guard let preTokenizer = GGUFPreTokenizer(name) else {
            throw Failure(.unsupported, "\(metadata.name): \(key) \(name.quoted) is not known")
        }
        return preTokenizer
    }
}
