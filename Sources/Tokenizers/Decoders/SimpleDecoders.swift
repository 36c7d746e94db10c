import NestlingBasics

/// Several decoders, one after the other.
struct DecoderSequence: Decoder {
    let parts: [any Decoder]

    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]] {
        var tokens = tokens
        for part in parts { tokens = try part.decode(tokens, limit: limit) }
        return tokens
    }
}

/// Replaces the suffix that ends a word by a space, at the end of the text by nothing.
struct BPEDecoder: Decoder {
    let suffix: [UInt8]

    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]] {
        tokens.enumerated().map { index, token in
            var token = token
            token.replaceAll(suffix, with: index == tokens.count - 1 ? [] : [0x20])
            return token
        }
    }
}

/// Turns characters of the byte-level alphabet back into bytes; a token with any other character stays as it is.
struct ByteLevelDecoder: TokenwiseDecoder {
    func append(_ token: UnsafeBufferPointer<UInt8>, to text: inout [UInt8]) {
        ByteLevelAlphabet.append(token, to: &text)
    }

    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]] {
        var bytes: [UInt8] = []
        for token in tokens { token.withUnsafeBufferPointer { append($0, to: &bytes) } }
        return [Array(UTF8Text.string(bytes).utf8)]
    }
}

/// Turns the visible space back into a space; in the first token it goes if the pre-tokenizer may have added it.
struct MetaspaceDecoder: Decoder {
    let mark: UInt32
    let dropsFirst: Bool

    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]] {
        var bytes: [UInt8] = []
        UTF8Text.append(mark, to: &bytes)
        return tokens.enumerated().map { index, token in
            var token = token
            token.replaceAll(bytes, with: index == 0 && dropsFirst ? [] : [0x20])
            return token
        }
    }
}

/// Connectionist temporal classification: repeated tokens are one, the padding token is nothing.
/// Source: Graves et al., "Connectionist Temporal Classification", 2006.
struct CTCDecoder: Decoder {
    let padding: [UInt8]
    let delimiter: [UInt8]
    let cleanUp: Bool

    /// Reads `decoder` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        padding = Array(try json.string("pad_token", default: "<pad>").utf8)
        delimiter = Array(try json.string("word_delimiter_token", default: "|").utf8)
        cleanUp = try json.bool("cleanup", default: true)
    }

    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]] {
        var result: [[UInt8]] = []
        for (index, token) in tokens.enumerated() where index == 0 || token != tokens[index - 1] {
            var token = token
            token.replaceAll(padding, with: [])
            if cleanUp {
                TokenCleanUp.apply(to: &token)
                token.replaceAll(delimiter, with: [0x20])
            }
            if !token.isEmpty { result.append(token) }
        }
        return result
    }
}

/// Replaces every match of a pattern in each token.
struct ReplaceDecoder: Decoder {
    let normalizer: ReplaceNormalizer

    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]] {
        var result: [[UInt8]] = []
        result.reserveCapacity(tokens.count)
        var room = limit
        for token in tokens {
            guard let replaced = try normalizer.replacing(token, limit: room) else {
                throw Failure(
                    .outOfMemory, "the decoder makes more than \(limit) bytes of these tokens, which is the most it may"
                )
            }
            room -= replaced.count
            result.append(replaced)
        }
        return result
    }
}

/// Makes all tokens one, for the decoders behind it.
struct FuseDecoder: Decoder {
    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]] { [Array(tokens.joined())] }
}

/// Removes a character at the ends of each token, as often as it is told at most.
struct StripDecoder: Decoder {
    let content: [UInt8]
    let start: Int
    let stop: Int

    /// Reads `decoder` of a tokenizer.json.
    init(_ json: Settings) throws(Failure) {
        let text = try json.string("content")
        guard text.unicodeScalars.count == 1 else { throw json.expected("one character", "content") }
        content = Array(text.utf8)
        start = try json.count("start", default: 0)
        stop = try json.count("stop", default: 0)
    }

    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]] {
        tokens.map { token in
            var token = token[...]
            var count = 0
            while count < start, token.starts(with: content) {
                token = token.dropFirst(content.count)
                count += 1
            }
            count = 0
            while count < stop, token.count >= content.count, token.suffix(content.count).elementsEqual(content) {
                token = token.dropLast(content.count)
                count += 1
            }
            return Array(token)
        }
    }
}

/// Turns runs of tokens like `<0xE2>` into the text of those bytes; a run that is not UTF-8 becomes one U+FFFD per byte.
struct ByteFallbackDecoder: Decoder {
    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]] {
        var result: [[UInt8]] = []
        var run: [UInt8] = []
        func finishRun() {
            if run.isEmpty { return }
            if run.withUnsafeBufferPointer({ UTF8Text.firstInvalidByte($0) }) == nil {
                result.append(run)
            } else {
                result.append(contentsOf: repeatElement([0xEF, 0xBF, 0xBD], count: run.count))
            }
            run = []
        }
        for token in tokens {
            if let byte = Self.byte(token) {
                run.append(byte)
            } else {
                finishRun()
                result.append(token)
            }
        }
        finishRun()
        return result
    }

    /// The byte that `token` stands for, or nil.
    static func byte(_ token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == 0x3E else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }
}
