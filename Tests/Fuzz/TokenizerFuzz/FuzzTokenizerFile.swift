import NestlingBasics
import NestlingTokenizers

private let texts: [[UInt8]] = [
    [], Array("The qu\u{0}ick\n  caf\u{E9} e\u{301} [CLS] 文字 \u{1F468}\u{200D}\u{1F469} <s> 123's ▁a".utf8),
]

/// The input up to the first NUL as a tokenizer.json; what is behind it, and a few texts, go through the tokenizer.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzTokenizerFile(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: data, count: size)
    let end = bytes.firstIndex(of: 0) ?? size
    guard let tokenizer = try? Tokenizer(json: UnsafeRawBufferPointer(rebasing: bytes[..<end]), name: "fuzz") else {
        return 0
    }
    for text in texts + [Array(bytes[min(end + 1, size)...])] {
        text.withUnsafeBufferPointer { text in
            guard let encoding = try? tokenizer.encode(text, pair: text) else { return }
            _ = encoding.characterOffsets(in: text, pair: text)
            _ = tokenizer.tokens(of: encoding)
            _ = try? tokenizer.decode(encoding.ids)
            var stream = DecodeStream(tokenizer)
            for id in encoding.ids.prefix(50) { _ = try? stream.append(id) }
            _ = try? stream.finish()
            for strategy in [Truncation.Strategy.longestFirst, .onlyFirst, .onlySecond] {
                let cut = Truncation(maximumTokens: 5, stride: 1, strategy: strategy)
                _ = try? tokenizer.encode(text, pair: text, truncation: cut)
                _ = try? tokenizer.encode(text, pair: text, truncation: cut, keepsOverflow: false)
            }
        }
    }
    return 0
}
