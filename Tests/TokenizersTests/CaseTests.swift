import Glibc
import Testing

/// Compares with what the Python package answered; see Generators/make_fixtures.py.
@Suite struct CaseTests {
    private static let folder = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Fixtures"

    /// Runs the cases at `path` and records the first few that fail. Returns how many there were.
    @discardableResult
    private func run(_ path: String) throws -> Int {
        var reported = 0
        let count = try CaseFile(path: path).run { difference in
            reported += 1
            if reported <= 10 { Issue.record("\(path): \(difference)") }
        }
        #expect(reported == 0, "\(path): \(reported) differences in \(count) cases")
        return count
    }

    @Test(arguments: [
        "bert", "bert_cased", "charbpe", "gemma", "gpt2", "llama2", "llama3", "modernbert", "openai_gpt", "qwen",
        "roberta", "roberta_prefix", "t5", "wordlevel",
    ])
    func pipeline(_ name: String) throws {
        #expect(try run("\(Self.folder)/\(name).jsonl") > 150)
    }

    /// More cases than the repository holds: `NESTLING_TOKENIZER_CASES` names case files, separated by colons.
    @Test(.enabled(if: getenv("NESTLING_TOKENIZER_CASES") != nil))
    func casesFromOutside() throws {
        guard let paths = getenv("NESTLING_TOKENIZER_CASES") else { return }
        var total = 0
        for path in String(cString: paths).split(separator: ":") { total += try run(String(path)) }
        print("\(total) cases compared")
    }
}
