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
        case "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2":
            json = Self.split([Self.words(digits: 3)])
            ignoresMerges = true
            addsFirst = true
        case "dbrx", "smaug-bpe", "chatglm-bpe", "glm4": json = Self.split([Self.words(digits: 3)])
        case "qwen2", "deepseek-r1-qwen", "kormo", "megrez":
            json = Self.split([Self.words(digits: 1)])
            composes = true
        case "stablelm2", "hunyuan", "solar-open": json = Self.split([Self.words(digits: 1)])
        case "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "gigachat", "a.x-4.0", "mellum":
            json = ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true]
        case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone":
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
        default: return nil
        }
    }

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
