import NestlingBasics
import Testing
import NestlingTokenizers

/// Files that would make gigabytes of a few bytes: each names its limit instead, and what is below the limit works.
@Suite struct AmplificationTests {
    private static let letters =
        #"{"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1, "[X]": 2}, "unk_token": "[UNK]"}"#
    private static let perCharacter =
        #", "pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "Isolated"}"#

    private func tokenizer(_ rest: String, model: String = letters) throws -> Tokenizer {
        let bytes = Array("{\"model\": \(model)\(rest)}".utf8)
        return try bytes.withUnsafeBytes { try Tokenizer(json: $0, name: "large.json") }
    }

    private func expectLimit(_ words: String, _ body: () throws -> Void) {
        let failure = #expect(throws: Failure.self) { try body() }
        #expect(failure?.kind == .outOfMemory, "\(failure?.message ?? "")")
        #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
    }

    private func encode(
        _ tokenizer: Tokenizer, _ text: String, pair: String? = nil, _ truncation: Truncation, keeps: Bool = true
    ) throws -> Encoding {
        let (first, second) = (Array(text.utf8), Array((pair ?? "").utf8))
        return try first.withUnsafeBufferPointer { first in
            try second.withUnsafeBufferPointer { second in
                try tokenizer.encode(
                    first, pair: pair == nil ? nil : second, truncation: truncation, keepsOverflow: keeps)
            }
        }
    }

    private func letters(_ count: Int) -> String { String(repeating: "a", count: count) }

    private func sequence(_ key: String, _ part: String, _ count: Int) -> String {
        #"{"type": "Sequence", "\#(key)": [\#(Array(repeating: part, count: count).joined(separator: ","))]}"#
    }

    // MARK: - Parts that truncation cuts off

    @Test func overlappingPartsAreCountedBeforeTheyAreMade() throws {
        let tokenizer = try tokenizer(Self.perCharacter)
        // 95 000 parts of 5000 tokens each.
        let truncation = Truncation(maximumTokens: 5000, stride: 4999)
        expectLimit("95000 parts") { _ = try encode(tokenizer, letters(100_000), truncation) }
        expectLimit("95000 parts") {
            _ = try encode(
                tokenizer, letters(100_000), Truncation(maximumTokens: 5000, stride: 4999, direction: .left))
        }
        // Without the parts the same is no trouble.
        let kept = try encode(tokenizer, letters(100_000), truncation, keeps: false)
        #expect(kept.count == 5000 && kept.overflowing.isEmpty)
        #expect(kept.offsets.first == 0..<1)
        let left = try encode(
            tokenizer, letters(100_000), Truncation(maximumTokens: 5000, stride: 4999, direction: .left), keeps: false)
        #expect(left.offsets.first == 95_000..<95_001)
        // The same parts with a small overlap are as many as they should be.
        let parts = try encode(tokenizer, letters(100_000), Truncation(maximumTokens: 5000, stride: 1000)).overflowing
        #expect(parts.count == 24 && parts.dropLast().allSatisfy { $0.count == 5000 })
        #expect(parts.last?.offsets.last == 99_999..<100_000 && parts.last?.count == 4000)
    }

    @Test func combinationsOfPartsAreCountedBeforeTheyAreMade() throws {
        func template(_ times: Int) throws -> Tokenizer {
            let single = Array(repeating: #"{"Sequence": {"id": "A", "type_id": 0}}"#, count: times)
            let pair = #"{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}"#
            return try tokenizer(
                Self.perCharacter
                    + #", "post_processor": {"type": "TemplateProcessing", "single": [\#(single.joined(separator: ","))],"#
                    + #" "pair": [\#(pair)], "special_tokens": {}}"#)
        }
        // Ten parts each: 11^3 - 1 combinations of 3 tokens are possible, 11^9 - 1 are not.
        let truncation = Truncation(maximumTokens: 1)
        let three = try encode(try template(3), letters(11), truncation)
        #expect(three.count == 3 && three.overflowing.count == 11 * 11 * 11 - 1)
        // Each combination once, with the order of the reference: what was cut off first comes first.
        let places = Set(three.overflowing.map { part in part.offsets.map { $0.lowerBound } })
        #expect(places.count == three.overflowing.count)
        #expect(three.overflowing.first?.offsets == [1..<2, 0..<1, 0..<1])
        #expect(three.overflowing.last?.offsets == [0..<1, 0..<1, 10..<11])
        let nine = try template(9)
        expectLimit("parts with 10") { _ = try encode(nine, letters(11), truncation) }
        #expect(try encode(nine, letters(11), truncation, keeps: false).count == 9)
        // A pair with 5000 parts each.
        expectLimit("4999 parts with 4999") {
            _ = try encode(nine, letters(5000), pair: letters(5000), Truncation(maximumTokens: 2))
        }
        #expect(try nine.encode(letters(5000), pair: letters(5000), maximumTokens: 2, keepsOverflow: false).count == 2)
    }

    @Test func templatesHaveALimit() throws {
        func template(_ part: String, _ times: Int, ids: Int = 1) throws -> Tokenizer {
            let parts = Array(repeating: part, count: times).joined(separator: ",")
            let list = Array(repeating: "2", count: ids).joined(separator: ",")
            return try tokenizer(
                Self.perCharacter
                    + #", "post_processor": {"type": "TemplateProcessing", "single": [\#(parts)], "pair": [],"#
                    + #" "special_tokens": {"[X]": {"id": "[X]", "ids": [\#(list)], "tokens": []}}}"#)
        }
        let text = #"{"Sequence": {"id": "A", "type_id": 0}}"#
        let special = #"{"SpecialToken": {"id": "[X]", "type_id": 0}}"#
        #expect(try template(text, 100).encode(letters(100)).count == 10_000)
        expectLimit("tokens") { _ = try template(text, 1000).encode(letters(100_000)) }
        #expect(try template(special, 100, ids: 100).encode("a").count == 10_000)
        let failure = #expect(throws: Failure.self) { try template(special, 1000, ids: 1000) }
        #expect(failure?.kind == .unsupported && failure?.message.contains("large.json: post_processor") == true)
        // One text with many parts and many special tokens behind it.
        let many = try template(text + "," + Array(repeating: special, count: 20_000).joined(separator: ","), 1)
        let parts = try encode(many, letters(30_001 * 2), Truncation(maximumTokens: 20_000 + 30_001))
        #expect(parts.count == 50_001 && parts.overflowing.map(\.count) == [50_001])
        expectLimit("tokens") { _ = try encode(many, letters(3000), Truncation(maximumTokens: 20_001)) }
    }

    @Test func sequencesOfPostProcessorsHaveALimit() throws {
        let doubling =
            #"{"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, "#
            + #"{"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, "#
            + #"{"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {}}"#
        let many = try tokenizer(Self.perCharacter + ", \"post_processor\": \(sequence("processors", doubling, 50))")
        #expect(try many.encode(letters(10)).count == 20)
        let wrapping = #"{"type": "BertProcessing", "sep": ["a", 0], "cls": ["a", 0]}"#
        let nested = sequence("processors", sequence("processors", wrapping, 50), 10)
        #expect(try tokenizer(", \"post_processor\": \(nested)").encode("a").count == 1001)
        let failure = #expect(throws: Failure.self) {
            try tokenizer(", \"post_processor\": \(sequence("processors", nested, 3))")
        }
        #expect(failure?.kind == .unsupported && failure?.message.contains("components") == true)
    }

    // MARK: - Texts

    @Test(arguments: [
        #"{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}"#,
        #"{"type": "Replace", "pattern": {"Regex": "a|b"}, "content": "aaa"}"#,
        #"{"type": "Replace", "pattern": {"Regex": "$|^|"}, "content": "aaaa"}"#, #"{"type": "ByteLevel"}"#,
    ])
    func normalizersThatDoubleTheText(_ part: String) throws {
        let text = part.contains("ByteLevel") ? "\u{E9}" : "a"
        // Six times is 64 at most, or 4096 for a byte or two, which is below the megabyte that is always possible.
        _ = try tokenizer(", \"normalizer\": \(sequence("normalizers", part, 5))").encode(text)
        let many = try tokenizer(", \"normalizer\": \(sequence("normalizers", part, 50))")
        expectLimit("the normalizer makes more than 10") { _ = try many.encode(text) }
        expectLimit("the normalizer makes more than ") { _ = try many.encode(String(repeating: text, count: 10_000)) }
        expectLimit("added tokens") {
            _ = try tokenizer(
                ", \"normalizer\": \(sequence("normalizers", part, 50)), "
                    + #""added_tokens": [{"content": "\#(text)", "normalized": true}]"#)
        }
    }

    @Test func longInsertionsHaveALimit() throws {
        let long = String(repeating: "x", count: 100_000)
        for part in [
            #"{"type": "Replace", "pattern": {"String": "a"}, "content": "\#(long)"}"#,
            #"{"type": "Replace", "pattern": {"Regex": ""}, "content": "\#(long)"}"#,
        ] {
            let tokenizer = try tokenizer(", \"normalizer\": \(part)")
            #expect(try tokenizer.encode("aaa").count == 1)
            expectLimit("the normalizer makes more than") { _ = try tokenizer.encode(letters(10_000)) }
        }
        // Before each stretch between two added tokens.
        let prepend = try tokenizer(
            #", "normalizer": {"type": "Prepend", "prepend": "\#(long)"}, "#
                + #""added_tokens": [{"content": "[X]", "special": true}]"#)
        #expect(try prepend.encode("a[X]a").ids == [1, 2, 1])
        expectLimit("the normalizer makes more than") {
            _ = try prepend.encode(String(repeating: "a[X]", count: 10_000))
        }
    }

    @Test func longRulesOfACharsmapHaveALimit() throws {
        // A double array with one entry, "a", and a text of 100 000 bytes for it. Unit: value, or label, leaf and offset.
        func unit(_ offset: UInt32, _ label: UInt32, hasLeaf: Bool) -> UInt32 {
            offset << 10 | (hasLeaf ? 1 << 8 : 0) | label
        }
        var units = [UInt32](repeating: 0, count: 0x200)
        units[0] = unit(0x100, 0, hasLeaf: false)
        units[0x161] = unit(0x1, 0x61, hasLeaf: true)
        units[0x160] = 0
        var bytes: [UInt8] = []
        for word in [UInt32(units.count * 4)] + units {
            for shift in stride(from: UInt32(0), to: 32, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        bytes += [UInt8](repeating: 0x62, count: 99_999) + [0]
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var encoded: [UInt8] = []
        for start in stride(from: 0, to: bytes.count - 2, by: 3) {
            let bits = UInt32(bytes[start]) << 16 | UInt32(bytes[start + 1]) << 8 | UInt32(bytes[start + 2])
            for shift in [18, 12, 6, 0] as [UInt32] { encoded.append(alphabet[Int(bits >> shift & 63)]) }
        }
        let map = String(decoding: encoded, as: UTF8.self)
        let tokenizer = try tokenizer(
            #", "normalizer": {"type": "Precompiled", "precompiled_charsmap": "\#(map)"}, "#
                + #""pre_tokenizer": {"type": "FixedLength", "length": 1}"#)
        #expect(try tokenizer.encode("aa").count > 150_000)
        expectLimit("the normalizer makes more than") { _ = try tokenizer.encode(letters(10_000)) }
    }

    @Test func preTokenizersThatDoubleTheText() throws {
        let part = #"{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}"#
        let many = try tokenizer(", \"pre_tokenizer\": \(sequence("pretokenizers", part, 50))")
        expectLimit("the pre-tokenizers make more than") { _ = try many.encode("\u{E9}") }
        let few = try tokenizer(", \"pre_tokenizer\": \(sequence("pretokenizers", part, 6))")
        #expect(try few.encode("\u{E9}").ids == [1])
    }

    @Test func manyComponentsAreRefused() throws {
        for (stage, key, part) in [
            ("normalizer", "normalizers", #"{"type": "NFC"}"#),
            ("pre_tokenizer", "pretokenizers", #"{"type": "Whitespace"}"#),
            ("decoder", "decoders", #"{"type": "Fuse"}"#),
        ] {
            #expect(try tokenizer(", \"\(stage)\": \(sequence(key, part, 1000))").encode("a").ids == [0])
            let failure = #expect(throws: Failure.self) {
                try tokenizer(", \"\(stage)\": \(sequence(key, part, 1100))")
            }
            #expect(failure?.kind == .unsupported)
            #expect(failure?.message.contains("large.json: \(stage): 1101 components") == true)
        }
    }

    // MARK: - Models and decoders

    @Test func longMarkersOfUnknownCharactersHaveALimit() throws {
        let bytes = (0..<256).map {
            "\"<0x\(["0", ""][$0 > 15 ? 1 : 0])\(String($0, radix: 16, uppercase: true))>\": \($0)"
        }
        let prefix = String(repeating: "#", count: 10_000)
        func model(_ vocabulary: String) -> String {
            #"{"type": "BPE", "vocab": {\#(bytes.joined(separator: ",")), \#(vocabulary)}, "merges": [], "#
                + #""byte_fallback": true, "continuing_subword_prefix": "\#(prefix)", "end_of_word_suffix": "</w>"}"#
        }
        let tokenizer = try tokenizer("", model: model(#""a": 300, "\#(prefix)a": 301, "\#(prefix)a</w>": 302"#))
        #expect(try tokenizer.encode("aaaa").ids == [300, 301, 301, 302])
        #expect(try tokenizer.encode("aba").ids == [300] + [Int32](repeating: 0x23, count: 10_000) + [0x62, 302])
        expectLimit("the model makes more than") { _ = try tokenizer.encode(String(repeating: "ab", count: 10_000)) }
        expectLimit("the model makes more than") {
            let words = try self.tokenizer(
                #", "pre_tokenizer": {"type": "WhitespaceSplit"}"#, model: model(#""a": 300"#))
            _ = try words.encode(String(repeating: "ab ", count: 10_000))
        }
    }

    @Test func decodersThatDoubleTheText() throws {
        for part in [
            #"{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}"#,
            #"{"type": "Replace", "pattern": {"Regex": "a|b"}, "content": "aaa"}"#,
        ] {
            let many = try tokenizer(", \"decoder\": \(sequence("decoders", part, 50))")
            expectLimit("the decoder makes more than") { _ = try many.decode([0, 0, 0]) }
            var stream = DecodeStream(many)
            expectLimit("the decoder makes more than") { _ = try stream.append(0) }
            #expect(try tokenizer(", \"decoder\": \(sequence("decoders", part, 5))").decode([0]).utf8.count >= 32)
        }
    }

    @Test func longTokensHaveALimit() throws {
        let long = String(repeating: "x", count: 1 << 20)
        let tokenizer = try tokenizer(
            #", "decoder": {"type": "Fuse"}"#,
            model: #"{"type": "WordLevel", "vocab": {"a": 0, "\#(long)": 1}, "unk_token": "\#(long)"}"#)
        #expect(try tokenizer.decode([1, 1, 0]).utf8.count == 2 << 20 | 1)
        expectLimit("10000 tokens are spelled with more than") {
            _ = try tokenizer.decode([Int32](repeating: 1, count: 10_000))
        }
    }

    @Test func longAddedTokensAreRefused() throws {
        func added(_ count: Int) -> String { #", "added_tokens": [{"id": 3, "content": "\#(letters(count))"}]"# }
        #expect(try tokenizer(added(4096)).encode(letters(5000)).ids.first == 3)
        let failure = #expect(throws: Failure.self) { _ = try tokenizer(added(4097)) }
        #expect(failure?.kind == .unsupported && failure?.message.contains("4097 bytes") == true)
    }
}
