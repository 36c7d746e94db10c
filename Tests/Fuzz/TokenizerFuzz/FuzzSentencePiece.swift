import NestlingBasics
import NestlingTokenizers

private let texts: [[UInt8]] = [
    [], Array("The qu\u{0}ick\n  caf\u{E9} e\u{301} [CLS] 文字 \u{1F468}\u{200D}\u{1F469} <s> 123's ▁a ABab abc".utf8),
    [UInt8](repeating: 0x61, count: 300),
]

private let classes = [
    nil, "LlamaTokenizer", "GemmaTokenizer", "T5Tokenizer", "XLMRobertaTokenizer", "CamembertTokenizer",
    "AlbertTokenizer", "XLNetTokenizer", "DebertaV2Tokenizer", "MBartTokenizer",
]

/// The first byte says which class reads the rest as a tokenizer.model; a few texts go through the tokenizer.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzSentencePiece(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: data, count: size)
    guard let first = bytes.first else { return 0 }
    var settings = JSONObject()
    if let name = classes[Int(first) % classes.count] { settings["tokenizer_class"] = .string(name) }
    settings["add_bos_token"] = .bool(first >= 0x80)
    let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    guard let tokenizer = try? Tokenizer(sentencePiece: rest, name: "fuzz", settings: settings) else { return 0 }
    for text in texts {
        text.withUnsafeBufferPointer { text in
            guard let encoding = try? tokenizer.encode(text, pair: text) else { return }
            _ = encoding.characterOffsets(in: text, pair: text)
            _ = tokenizer.tokens(of: encoding)
            _ = try? tokenizer.decode(encoding.ids)
            var stream = DecodeStream(tokenizer)
            for id in encoding.ids.prefix(50) { _ = try? stream.append(id) }
            _ = try? stream.finish()
        }
    }
    return 0
}
