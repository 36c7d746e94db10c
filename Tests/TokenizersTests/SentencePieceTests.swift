import NestlingBasics
import Testing
import NestlingTokenizers

/// SentencePiece models: answers of the packages sentencepiece and transformers, and files that are damaged.
/// See Generators/sentencepiece_cases.py.
@Suite struct SentencePieceTests {
    private static let folder = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Fixtures"
    private static let plain = ["unigram", "unigram_rules", "unigram_bytes", "bpe", "bpe_unused", "word", "char"]
    private static let converted = [
        "llama", "gemma", "t5", "xlmroberta", "camembert", "mbart", "albert", "xlnet", "debertav2",
    ]

    @Test(arguments: plain + converted)
    func answers(_ name: String) throws {
        var reported = 0
        let path = "\(Self.folder)/sentencepiece_\(name).jsonl"
        let count = try CaseFile(path: path).run { difference in
            reported += 1
            if reported <= 10 { Issue.record("\(name): \(difference)") }
        }
        #expect(reported == 0 && count >= 15, "\(name): \(reported) differences in \(count) cases")
    }

    private static func bytes(_ name: String) throws -> [UInt8] {
        try #require(CaseFile.contents(of: "\(folder)/sentencepiece_\(name).model"))
    }

    private static func tokenizer(_ bytes: [UInt8], settings: JSONObject? = nil) throws -> Tokenizer {
        try bytes.withUnsafeBytes { try Tokenizer(sentencePiece: $0, name: "test.model", settings: settings) }
    }

    private func failure(_ bytes: [UInt8]) -> Failure? {
        do {
            _ = try Self.tokenizer(bytes)
            return nil
        } catch {
            return error as? Failure
        }
    }

    // MARK: - Texts

    @Test func nulIsACharacterLikeOthers() throws {
        let tokenizer = try Self.tokenizer(try Self.bytes("bpe"))
        let ids = try tokenizer.encode("a\u{0}b").ids
        #expect(ids.contains(try #require(tokenizer.id(of: "<0x00>"))))
        #expect(try tokenizer.decode(ids) == "a\u{0}b")
    }

    @Test func textsMustBeUTF8() throws {
        let tokenizer = try Self.tokenizer(try Self.bytes("unigram"))
        #expect(throws: Failure(.invalidArgument, "the text is not UTF-8: byte 1 cannot stand where it is")) {
            try [0x61, 0xFF].withUnsafeBufferPointer { try tokenizer.encode($0) }
        }
    }

    @Test func offsetsPointIntoTheText() throws {
        let tokenizer = try Self.tokenizer(try Self.bytes("char"))
        let encoding = try tokenizer.encode("  a  é ")
        let text = Array("  a  é ".utf8)
        let parts = zip(tokenizer.tokens(of: encoding), encoding.offsets).filter { $0.0 != "\u{2581}" }
        #expect(parts.map { String(decoding: text[$0.1], as: UTF8.self) } == ["a", "é"])
    }

    @Test func endsAreAddedIfTheSettingsSaySo() throws {
        var settings = JSONObject()
        settings["add_bos_token"] = true
        settings["add_eos_token"] = true
        let tokenizer = try Self.tokenizer(try Self.bytes("unigram"), settings: settings)
        let plain = try Self.tokenizer(try Self.bytes("unigram")).encode("the fox").ids
        #expect(try tokenizer.encode("the fox").ids == [1] + plain + [2])
        #expect(try tokenizer.encode("the fox", addSpecialTokens: false).ids == plain)
        settings["bos_token"] = "<nowhere>"
        #expect(throws: Failure.self) { try Self.tokenizer(try Self.bytes("unigram"), settings: settings) }
    }

    @Test func controlPiecesAreNotFoundInTexts() throws {
        let tokenizer = try Self.tokenizer(try Self.bytes("unigram"))
        #expect(!(try tokenizer.encode("<s> a </s>").ids.contains { $0 == 1 || $0 == 2 }))
        #expect(tokenizer.specialTokenIDs == [1, 2])
    }

    // MARK: - Damaged files

    /// A field of `number` that holds `content`, shorter than 128 bytes.
    private func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
        [number << 3 | 2, UInt8(content.count)] + content
    }

    private func piece(_ text: String, kind: UInt8 = 1, score: [UInt8] = [0, 0, 0, 0]) -> [UInt8] {
        field(1, field(1, Array(text.utf8)) + [2 << 3 | 5] + score + [3 << 3, kind])
    }

    @Test func damageIsNamed() {
        let good = piece("<unk>", kind: 2) + piece("a")
        #expect(failure(good) == nil)
        let cases: [([UInt8], String)] = [
            ([], "test.model: is no SentencePiece model, it has no pieces"),
            (good + [0x80], "test.model: the number at byte 28 is cut short"),
            (
                good + [UInt8](repeating: 0xFF, count: 10) + [1],
                "test.model: the number at byte 28 has more than 64 bits"
            ),
            (good + [0x0A, 0x7F, 0], "test.model: field 1 says that it has 127 bytes, but 1 are left"),
            (good + [0x0B], "test.model: field 1 is a group, which these files do not have"),
            (good + [0x0F], "test.model: field 1 has the wire type 7, which does not exist"),
            (good + [0x00, 0], "test.model: byte 28 of the message begins a field with the number 0"),
            (good + [0x08, 1], "test.model: pieces[2] is a varint, expected a message"),
            (
                good + field(1, [0x0D, 0, 0, 0, 0]),
                "test.model: pieces[2]: piece is four bytes, expected a run of bytes"
            ),
            (good + field(1, [0x10, 0]), "test.model: pieces[2]: score is a varint, expected a number of four bytes"),
            (good + field(1, field(1, [0xFF])), "test.model: pieces[2]: byte 0 of piece is not UTF-8"),
            (good + field(1, []), "test.model: pieces[2]: the piece is empty"),
            (good + piece("b", kind: 9), "test.model: pieces[2]: pieces of type 9 are not known"),
            (
                good + piece("b", score: [0, 0, 0xC0, 0x7F]),
                "test.model: pieces[2]: the score is nan, expected a finite number"
            ),
            (
                good + field(2, [3 << 3, 7]),
                "test.model: trainer_spec: model_type is 7, expected UNIGRAM, BPE, WORD or CHAR (1 to 4)"
            ),
            (good + piece("a"), "test.model: pieces[2]: \"a\" is defined twice"),
            (good + piece("b", kind: 2), "test.model: pieces[2]: \"b\" is a second unknown piece"),
            (piece("a"), "test.model: has no unknown piece"),
            (good + piece("<0x41>", kind: 6), "test.model: pieces[2]: \"<0x41>\" is a byte, but byte_fallback is off"),
            (
                good + piece("<0x41>", kind: 6) + field(2, [0x98, 2, 1]),
                "test.model: byte_fallback is on, but only 1 of 256 bytes are there"
            ),
            (
                good + field(3, field(2, [8, 0, 0, 0])),
                "test.model: normalizer_spec precompiled_charsmap: a trie of 2 units does not fit into 4 bytes"
            ),
        ]
        for (bytes, message) in cases { #expect(failure(bytes)?.message == message) }
        // Fields that nobody knows are passed over.
        #expect(
            failure(good + [0xA0, 6, 1, 0xA5, 6, 0, 0, 0, 0, 0xA1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0xA2, 6, 1, 0]) == nil)
    }

    private func use(_ bytes: [UInt8], settings: JSONObject?) {
        guard let tokenizer = try? Self.tokenizer(bytes, settings: settings) else { return }
        for text in ["", " ", "The qu\u{0}ick\n  caf\u{E9} e\u{301} [CLS] 文字 <s> 123's abc ab ﬁ"] {
            guard let encoding = try? tokenizer.encode(text, pair: text) else { continue }
            _ = try? tokenizer.decode(encoding.ids)
        }
        _ = try? tokenizer.decode([-1, 0, 1, 2, .max, .min, 5, 5], skipSpecialTokens: false)
    }

    @Test(arguments: plain + converted)
    func damagedFilesDoNotCrash(_ name: String) throws {
        let original = try Self.bytes(name)
        var settings = JSONObject()
        let classes = ["Llama", "Gemma", "T5", "XLMRoberta", "Camembert", "MBart", "Albert", "XLNet", "DebertaV2"]
        if let known = classes.first(where: { $0.lowercased() == name }) {
            settings["tokenizer_class"] = .string(known + "Tokenizer")
        }
        for length in stride(from: 0, to: original.count, by: 131) {
            use(Array(original[..<length]), settings: settings)
        }
        var state: UInt64 = 88_172_645_463_325_252
        func next(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        for _ in 0..<120 {
            var bytes = original
            for _ in 0..<1 + next(4) { bytes[next(bytes.count)] = UInt8(truncatingIfNeeded: next(256)) }
            use(bytes, settings: settings)
        }
    }
}
