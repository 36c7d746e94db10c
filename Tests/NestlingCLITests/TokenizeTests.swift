import NestlingBasics
import NestlingTestSupport
import Testing

/// What `nestling tokenize` prints, against the recorded results of the Python package.
@Suite struct TokenizeTests {
    private let folder = Fixtures.path("../TokenizersTests/Fixtures")

    /// The texts of a fixture without a second text, and what the package made of each.
    private func cases(_ name: String) throws -> [JSON] {
        let lines = String(decoding: try TemporaryFolder.read("\(folder)/\(name).jsonl"), as: UTF8.self)
            .split(separator: "\n")
        return try lines.map { try JSON.parse(String($0), name: name) }.filter { line in
            guard let text = line["text"]?.string else { return false }
            let isPlain = ["pair", "max", "special", "decode_ids"].allSatisfy { (line[$0] ?? .null) == .null }
            guard isPlain else { return false }
            return !text.isEmpty && !text.contains(where: \.isNewline) && !text.contains("\0") && !text.hasPrefix("-")
        }
    }

    @Test(arguments: ["bert", "gpt2", "t5"]) func idsOfLinesAndOfArguments(_ name: String) throws {
        let cases = Array(try cases(name).prefix(60))
        #expect(cases.count >= 20)
        let expected = cases.map { line in
            (line["ids"]?.array ?? []).compactMap { $0.int.map { String($0) } }.joined(separator: " ")
        }
        let temporary = try TemporaryFolder()
        let text = cases.compactMap { $0["text"]?.string }.joined(separator: "\n") + "\n"
        try temporary.write("texts.txt", Array(text.utf8))
        let lines = try Command.run("tokenize", "\(folder)/\(name).json", "--file", temporary.path("texts.txt"))
        #expect(lines.status == 0 && lines.errors.isEmpty)
        #expect(lines.text == expected.map { $0 + "\n" }.joined())
        let arguments = try Command.run(
            ["tokenize", "\(folder)/\(name).json"] + cases.compactMap { $0["text"]?.string })
        #expect(arguments.text == lines.text)
    }

    @Test func forms() throws {
        let bert = "\(folder)/bert.json"
        let json = try Command.run("tokenize", bert, "the fox", "", "--jsonl")
        #expect(json.status == 0 && json.lines.count == 2)
        let first = try JSON.parse(json.lines[0], name: "output")
        let ids = first["ids"]?.array?.compactMap(\.int) ?? []
        #expect(first["tokens"]?.array?.count == ids.count && first["offsets"]?.array?.count == ids.count)
        #expect(first["word_ids"]?.array?.first == .null && first["special_tokens_mask"]?.array?.first == 1)
        let counts = try Command.run("tokenize", bert, "the fox", "", "--count")
        #expect(counts.text == "\(ids.count)\n2\n")
        let tokens = try Command.run("tokenize", bert, "the fox", "--tokens")
        #expect(tokens.text.hasPrefix("[CLS] ") && tokens.text.hasSuffix(" [SEP]\n"))
        let table = try Command.run("tokenize", bert, "the fox", "--table")
        #expect(table.text.contains("| [CLS]") && table.text.contains("\"fox\"") || table.text.contains("\"f"))
        let plain = try Command.run("tokenize", bert, "the fox", "--no-special-tokens")
        let inner = ids.dropFirst().dropLast().map { String($0) }
        #expect(plain.text == inner.joined(separator: " ") + "\n")
        let back = try Command.run(["tokenize", bert, "--decode"] + ids.map { String($0) })
        #expect(back.text == "the fox\n")
        let all = try Command.run(["tokenize", bert, "--decode", "--special-tokens"] + ids.map { String($0) })
        #expect(all.text == "[CLS] the fox [SEP]\n")
    }

    @Test func cutting() throws {
        let bert = "\(folder)/bert.json"
        let whole = try Command.run("tokenize", bert, "the fox the fox the fox", "--no-special-tokens")
        let ids = whole.text.split(whereSeparator: \.isWhitespace)
        let cut = try Command.run(
            "tokenize", bert, "the fox the fox the fox", "--no-special-tokens", "--max-tokens", "3", "--overflow", "1")
        let parts = cut.lines.map { $0.split(separator: " ") }
        #expect(parts[0] == Array(ids[0..<3]) && parts[1].first == ids[2])
        let left = try Command.run(
            "tokenize", bert, "the fox the fox the fox", "--no-special-tokens", "--max-tokens", "3", "--left")
        #expect(left.lines.count == 1 && left.lines[0].split(separator: " ") == Array(ids.suffix(3)))
        let second = try Command.run("tokenize", bert, "the", "--max-tokens", "3", "--truncate", "second")
        #expect(second.status == 64)
    }

    @Test func mistakesNameTheirPlace() throws {
        let temporary = try TemporaryFolder()
        try temporary.write("texts.txt", Array("fine\nbad \u{0}".utf8) + [0xFF, 0x0A])
        let outcome = try Command.run("tokenize", "\(folder)/bert.json", "--file", temporary.path("texts.txt"))
        #expect(outcome.status == 65 && outcome.errors.contains("texts.txt:2"))
        let ids = try Command.run("tokenize", "\(folder)/bert.json", "--decode", "1", "x")
        #expect(ids.status == 64 && ids.errors.contains("\"x\""))
    }
}
