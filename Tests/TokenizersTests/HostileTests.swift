import NestlingBasics
import Testing
import NestlingTokenizers

/// Damaged and malicious files: a failure or a tokenizer, never a crash.
@Suite struct HostileTests {
    private static let folder = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Fixtures"

    /// Reads `bytes` and, if that works, encodes and decodes a little.
    @discardableResult
    private func attempt(_ bytes: [UInt8]) -> Bool {
        guard let tokenizer = try? bytes.withUnsafeBytes({ try Tokenizer(json: $0, name: "hostile.json") }) else {
            return false
        }
        for text in ["", " ", "The qu\u{0}ick\n  caf\u{E9} e\u{301} [CLS] 文字 \u{1F468}\u{200D}\u{1F469} <s> 123's"] {
            guard let encoding = try? tokenizer.encode(text, pair: text) else { continue }
            _ = try? tokenizer.decode(encoding.ids)
            _ = try? tokenizer.encode(text, maximumTokens: 3)
        }
        _ = try? tokenizer.decode([-1, 0, 1, 2, .max, .min, 5, 5], skipSpecialTokens: false)
        return true
    }

    private func failure(_ json: String) -> Failure? {
        do throws(Failure) {
            let bytes = Array(json.utf8)
            var result: Failure?
            bytes.withUnsafeBytes { buffer in
                do throws(Failure) { _ = try Tokenizer(json: buffer, name: "hostile.json") } catch { result = error }
            }
            if let result { throw result }
            return nil
        } catch {
            return error
        }
    }

    private func model(_ model: String, _ rest: String = "") -> String { "{\"model\": \(model)\(rest)}" }
    private let wordLevel = #"{"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"}"#

    @Test(arguments: ["bert", "charbpe", "llama2", "roberta", "wordlevel"])
    func everyPrefixFails(_ name: String) throws {
        let bytes = try #require(CaseFile.contents(of: "\(Self.folder)/\(name).json"))
        for length in stride(from: 0, to: bytes.count - 1, by: 7) {
            #expect(!attempt(Array(bytes[..<length])), "\(length) bytes of \(name)")
        }
    }

    @Test(arguments: ["bert", "gemma", "gpt2", "modernbert", "llama2", "llama3", "openai_gpt", "wordlevel"])
    func flippedBytesDoNotCrash(_ name: String) throws {
        let original = try #require(CaseFile.contents(of: "\(Self.folder)/\(name).json"))
        var state: UInt64 = 88_172_645_463_325_252
        func next(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        for _ in 0..<300 {
            var bytes = original
            for _ in 0...next(3) { bytes[next(bytes.count)] = UInt8(next(256)) }
            attempt(bytes)
        }
        // Digits only: sizes and ids.
        let digits = original.indices.filter { (0x30...0x39).contains(original[$0]) }
        for _ in 0..<300 {
            var bytes = original
            for _ in 0...next(4) { bytes[digits[next(digits.count)]] = UInt8(0x30 + next(10)) }
            attempt(bytes)
        }
    }

    @Test func unknownComponentsAreNamed() throws {
        for (key, expected) in [
            ("normalizer", "hostile.json: normalizer.type"), ("pre_tokenizer", "hostile.json: pre_tokenizer.type"),
            ("post_processor", "hostile.json: post_processor.type"), ("decoder", "hostile.json: decoder.type"),
        ] {
            let found = try #require(failure(model(wordLevel, ", \"\(key)\": {\"type\": \"Quantum\"}")))
            #expect(found.kind == .unsupported)
            #expect(found.message.contains(expected) && found.message.contains("Quantum"), "\(found)")
        }
        #expect(failure(model(#"{"type": "Quantum"}"#))?.kind == .unsupported)
        #expect(failure(#"{"model": {"type": "WordLevel", "vocab": {}}, "version": "2.0"}"#)?.kind == .unsupported)
        let nested = #", "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Odd"}]}"#
        #expect(failure(model(wordLevel, nested))?.message.contains("normalizer.normalizers[1].type") == true)
    }

    @Test(arguments: [
        #"{"type": "WordLevel", "vocab": {"a": -1}, "unk_token": "a"}"#,
        #"{"type": "WordLevel", "vocab": {"a": 2147483648}, "unk_token": "a"}"#,
        #"{"type": "WordLevel", "vocab": {"a": 1.5}, "unk_token": "a"}"#,
        #"{"type": "WordLevel", "vocab": ["a"], "unk_token": "a"}"#,
        #"{"type": "WordPiece", "vocab": {"a": 0}, "unk_token": 7}"#,
        #"{"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "a", "max_input_chars_per_word": -3}"#,
        #"{"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}"#,
        #"{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a c"]}"#,
        #"{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["ab"]}"#,
        #"{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b", "c"]]}"#,
        #"{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", 1]]}"#,
        #"{"type": "BPE", "vocab": {"a": 0}, "merges": 5}"#,
        #"{"type": "BPE", "vocab": {"a": 0}}"#,
        #"{"type": "BPE", "vocab": {"a": 0, "": 1}, "merges": [["a", ""]], "continuing_subword_prefix": "@@"}"#,
        #"{"type": "Unigram", "vocab": [["a", 0.5]], "unk_id": 1}"#,
        #"{"type": "Unigram", "vocab": [["a"]], "unk_id": 0}"#,
        #"{"type": "Unigram", "vocab": [[1, 0.5]], "unk_id": 0}"#,
        #"{"type": "Unigram", "vocab": {}, "unk_id": 0}"#,
        #"{"type": "Unigram", "vocab": [["a", 1e999]], "unk_id": -1}"#,
    ])
    func wrongModelsFail(_ json: String) throws {
        let found = try #require(failure(model(json)))
        #expect(found.kind == .corrupt, "\(found)")
        #expect(found.message.contains("hostile.json"), "\(found)")
    }

    @Test func wrongShapesFail() {
        func template(_ part: String) -> String {
            #", "post_processor": {"type": "TemplateProcessing", "pair": [], "special_tokens": {}, "single": [\#(part)]}"#
        }
        for rest in [
            #", "added_tokens": {}"#, #", "added_tokens": [{}]"#, #", "added_tokens": [{"content": 5}]"#,
            #", "added_tokens": [3]"#, #", "normalizer": []"#, #", "normalizer": {"type": 4}"#, #", "truncation": 4"#,
            #", "truncation": {"max_length": -1, "strategy": "LongestFirst", "stride": 0}"#,
            #", "truncation": {"max_length": 5, "strategy": "Odd", "stride": 0}"#,
            #", "padding": {"pad_id": -1}"#, #", "normalizer": {"type": "Replace", "pattern": {}, "content": ""}"#,
            #", "normalizer": {"type": "Precompiled", "precompiled_charsmap": "!!!"}"#,
            #", "normalizer": {"type": "Precompiled", "precompiled_charsmap": ""}"#,
            #", "normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w=="}"#,
            #", "pre_tokenizer": {"type": "Metaspace", "replacement": "ab"}"#,
            #", "pre_tokenizer": {"type": "FixedLength", "length": 0}"#,
            #", "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Odd"}"#,
            #", "post_processor": {"type": "BertProcessing", "sep": ["a"], "cls": ["b", 1]}"#,
            template(#"{"Sequence": {"id": "B", "type_id": 0}}"#),
            template(#"{"SpecialToken": {"id": "X", "type_id": 0}}"#),
            #", "decoder": {"type": "Strip", "content": "", "start": 1, "stop": 0}"#,
        ] {
            #expect(failure(model(wordLevel, rest)) != nil, "\(rest)")
        }
    }

    @Test func oddButReadableFilesWork() {
        // Huge ids, equal ids, repeated and circular merges, a trie that points into nowhere.
        let ids = #"{"a": 2147483647, "[UNK]": 2147483647}"#
        let merges = #"[["a", ""], ["", "a"], ["a", "a"], ["a", "a"], ["", ""]]"#
        let charsmap = #"{"type": "Precompiled", "precompiled_charsmap": "CAAAAP///3////9/YQA="}"#
        let added = #"[{"content": "a"}, {"content": "a", "special": true}, {"content": ""}]"#
        for json in [
            model(#"{"type": "WordLevel", "vocab": \#(ids), "unk_token": "[UNK]"}"#),
            model(#"{"type": "BPE", "vocab": {"a": 0, "": 1, "aa": 2}, "merges": \#(merges)}"#),
            model(wordLevel, #", "normalizer": \#(charsmap)"#),
            model(wordLevel, #", "added_tokens": \#(added)"#),
        ] {
            #expect(attempt(Array(json.utf8)), "\(json)")
        }
    }

    @Test func regularExpressionsAreRefusedOrStopped() throws {
        func split(_ pattern: String) -> String {
            let split = #"{"type": "Split", "pattern": {"Regex": "\#(pattern)"}, "behavior": "Isolated"}"#
            return model(wordLevel, #", "pre_tokenizer": \#(split)"#)
        }
        for pattern in [
            "(", "[", "a{5,2}", #"\\p{Odd}"#, "(?~a)", #"\\X"#, "[]", "*", #"\\"#, "(?<n>", #"\\xE2"#,
        ] {
            let found = try #require(failure(split(pattern)), "\(pattern)")
            #expect(found.kind == .unsupported, "\(found)")
            #expect(found.message.contains("pre_tokenizer.pattern.Regex"), "\(found)")
        }
        for deep in ["[", "(", "(?i)", "(?:"] {
            #expect(failure(split(String(repeating: deep, count: 100_000)))?.kind == .unsupported, "\(deep)")
        }
        let bytes = Array(split("(a+)+$").utf8)
        let tokenizer = try bytes.withUnsafeBytes { try Tokenizer(json: $0, name: "hostile.json") }
        #expect(throws: Failure.self) { try tokenizer.encode(String(repeating: "a", count: 60) + "!") }
        // The tokenizer is none the worse for it.
        #expect(try tokenizer.encode("a").ids == [0])
    }

    @Test func invalidTextIsNamed() throws {
        let tokenizer = try CaseFile.tokenizer(at: "\(Self.folder)/bert.json")
        for (bytes, position) in [
            ([0x61, 0xFF], 1), ([0xC0, 0x80], 0), ([0x61, 0x62, 0xE2, 0x82], 2), ([0xED, 0xA0, 0x80], 0),
            ([0xF5, 0x80, 0x80, 0x80], 0), ([0x61, 0x80], 1),
        ] as [([UInt8], Int)] {
            let failure = #expect(throws: Failure.self) {
                try bytes.withUnsafeBufferPointer { try tokenizer.encode($0) }
            }
            #expect(failure?.kind == .invalidArgument)
            #expect(failure?.message.contains("byte \(position) ") == true, "\(failure?.message ?? "")")
        }
    }
}
