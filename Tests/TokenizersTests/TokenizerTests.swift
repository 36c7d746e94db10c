import NestlingBasics
import Testing
import NestlingTokenizers

/// What the public interface promises beyond the reference's answers.
@Suite struct TokenizerTests {
    private static let folder = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Fixtures"

    private func tokenizer(_ name: String) throws -> Tokenizer {
        try CaseFile.tokenizer(at: "\(Self.folder)/\(name).json")
    }

    @Test func vocabularyWorksBothWays() throws {
        let bert = try tokenizer("bert")
        for id in 0..<Int32(bert.vocabularySize) {
            let token = try #require(bert.token(of: id))
            #expect(bert.id(of: token) == id)
        }
        #expect(bert.token(of: Int32(bert.vocabularySize)) == nil)
        #expect(bert.token(of: -1) == nil)
        #expect(bert.id(of: "no such token") == nil)
        #expect(bert.specialTokenIDs == [0, 1, 2, 3, 4])
        #expect(bert.paddingID == 0)
    }

    @Test func vocabTxtIsTheSameTokenizer() throws {
        let bert = try tokenizer("bert")
        let lines = (0..<Int32(bert.vocabularySize)).map { bert.token(of: $0) ?? "" }
        func open(_ text: String, _ settings: JSONObject?) throws(Failure) -> Tokenizer {
            let bytes = Array(text.utf8)
            var outcome: Result<Tokenizer, Failure> = .failure(Failure(.internal, ""))
            bytes.withUnsafeBytes { buffer in
                do throws(Failure) {
                    outcome = .success(try Tokenizer(vocabulary: buffer, name: "vocab.txt", settings: settings))
                } catch {
                    outcome = .failure(error)
                }
            }
            return try outcome.get()
        }
        let same = try open(lines.joined(separator: "\n"), nil)
        for text in ["The Quick brown caf\u{E9} 文字!", "[MASK] x", ""] {
            let (left, right) = (try bert.encode(text, pair: "b"), try same.encode(text, pair: "b"))
            #expect(left.ids == right.ids && left.offsets == right.offsets && left.typeIDs == right.typeIDs)
        }
        var settings = JSONObject()
        settings["do_lower_case"] = false
        settings["unk_token"] = ["content": "[UNK]"]
        let cased = try open(lines.joined(separator: "\r\n"), settings)
        #expect(try cased.encode("THE").ids != same.encode("THE").ids)
        let missing = #expect(throws: Failure.self) { try open("a\nb", nil) }
        #expect(missing?.kind == .corrupt)
        settings["do_lower_case"] = "yes"
        #expect(throws: Failure.self) { try open(lines.joined(separator: "\n"), settings) }
    }

    @Test func storedTruncationIsReadButNotApplied() throws {
        var bytes = try #require(CaseFile.contents(of: "\(Self.folder)/bert.json"))
        let old = Array(#""truncation":null,"padding":null"#.utf8)
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: old) })
        let new =
            #""truncation":{"direction":"Left","max_length":3,"strategy":"OnlyFirst","stride":1},"#
            + #""padding":{"strategy":{"Fixed":9},"direction":"Right","pad_id":7,"pad_type_id":1,"pad_token":"x"}"#
        bytes.replaceSubrange(start..<start + old.count, with: new.utf8)
        let tokenizer = try bytes.withUnsafeBytes { try Tokenizer(json: $0, name: "bert.json") }
        #expect(
            tokenizer.truncation
                == Truncation(maximumTokens: 3, stride: 1, strategy: .onlyFirst, direction: .left))
        #expect(tokenizer.padding?.id == 7 && tokenizer.padding?.length == 9 && tokenizer.paddingID == 7)
        #expect(try tokenizer.encode("the quick brown fox").count > 3)
    }

    @Test func maximumTokensCountsSpecialOnes() throws {
        let bert = try tokenizer("bert")
        let text = "the quick brown fox jumps over the lazy dog"
        for maximum in 2...20 {
            let encoding = try bert.encode(text, maximumTokens: maximum)
            #expect(encoding.count <= maximum)
            #expect(encoding.ids.first == 2 && encoding.ids.last == 3)
            let pair = try bert.encode(text, pair: "a dog", maximumTokens: maximum + 1)
            #expect(pair.count <= maximum + 1)
        }
        let failure = #expect(throws: Failure.self) { try bert.encode(text, maximumTokens: 1) }
        #expect(failure?.kind == .invalidArgument)
    }

    @Test func streamsNeverGiveHalfACharacter() throws {
        for name in ["gpt2", "llama2", "llama3", "gemma"] {
            let tokenizer = try tokenizer(name)
            let text = "na\u{EF}ve 文字 \u{1F468}\u{200D}\u{1F469} \u{1F600}!"
            let ids = try tokenizer.encode(text, addSpecialTokens: false).ids
            var stream = DecodeStream(tokenizer)
            var given = ""
            for id in ids {
                guard let part = try stream.append(id) else { continue }
                #expect(!part.unicodeScalars.contains("\u{FFFD}"), "\(name)")
                given += part
            }
            given += try stream.finish()
            #expect(try given == tokenizer.decode(ids), "\(name)")
        }
    }

    @Test func manyThreadsShareOneTokenizer() async throws {
        for name in ["bert", "roberta", "t5", "llama2"] {
            let tokenizer = try tokenizer(name)
            let texts = (0..<40).map { "caf\u{E9} number \($0) \(String(repeating: "tokenization ", count: $0))!" }
            let expected = try texts.map { try tokenizer.encode($0) }
            try await withThrowingTaskGroup(of: [Encoding].self) { group in
                for _ in 0..<4 { group.addTask { try texts.map { try tokenizer.encode($0) } } }
                for try await encodings in group { #expect(encodings == expected) }
            }
        }
    }

    private func tokenizer(json: String) throws -> Tokenizer {
        try Array(json.utf8).withUnsafeBytes { try Tokenizer(json: $0, name: "test.json") }
    }

    @Test(arguments: [
        ("[a-z&&[^aeiou]]", "bcdfgaéB", "bcdfg"), ("[a-f&&c-z&&[^d]]", "abcdefg", "cef"),
        ("[^a-f&&c-z]", "abcdefg", "abg"),
        (#"[\\p{L}&&[^\\p{Han}]]"#, "aé文1", "aé"), ("(?i)[a-z&&[^E]]", "aeEB", "aB"),
        ("[[a-c&&b-d]x&&[^b]]", "abcdx", "cx"),
        (#"[^\\s&&\\S]"#, "a ", "a "),
    ])
    func intersectionsOfClasses(_ pattern: String, _ text: String, _ matched: String) throws {
        let split = #"{"type": "Split", "pattern": {"Regex": "\#(pattern)"}, "behavior": "Removed", "invert": true}"#
        let model = #"{"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"}"#
        let tokenizer = try tokenizer(json: "{\"model\": \(model), \"pre_tokenizer\": \(split)}")
        let bytes = Array(text.utf8)
        let found = try tokenizer.encode(text).offsets.flatMap { bytes[$0] }
        #expect(String(decoding: found, as: UTF8.self) == matched)
    }

    @Test func dropoutIsOff() throws {
        func model(_ rest: String) -> String {
            #"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]\#(rest)}}"#
        }
        for dropout in ["null", "0.0", "0.5", "1.0", "1"] {
            let tokenizer = try tokenizer(json: model(", \"dropout\": \(dropout)"))
            #expect(try tokenizer.encode("abab").ids == [2, 2])
        }
        for dropout in ["-0.1", "1.5", "true", "\"0.1\""] {
            let failure = #expect(throws: Failure.self) { try tokenizer(json: model(", \"dropout\": \(dropout)")) }
            #expect(failure?.kind == .corrupt && failure?.message.contains("model.dropout") == true)
        }
    }

    @Test func longTextsTakeLinearTime() throws {
        // Words of a megabyte would take hours if merging or matching were quadratic.
        let word = String(repeating: "abcdefgh", count: 1 << 17)
        for name in ["gpt2", "t5", "bert"] {
            let encoding = try tokenizer(name).encode(word, addSpecialTokens: false)
            #expect(encoding.offsets.last?.upperBound == word.utf8.count)
        }
        let marks = "a" + String(repeating: "\u{301}\u{323}", count: 100_000)
        #expect(try tokenizer("bert").encode(marks).count == 3)
    }
}
