import ArgumentParser
import Nestling

/// How `nestling tokenize` prints encodings.
struct TokenForm: ParsableArguments {
    @Flag(help: "Print tokens as the vocabulary spells them, between spaces.")
    var tokens = false

    @Flag(help: "Print how many tokens there are.")
    var count = false

    @Flag(help: "Print a JSON object on each line: ids, tokens, offsets, type_ids, word_ids, special_tokens_mask.")
    var jsonl = false

    @Flag(help: "Print a table to read.")
    var table = false

    @Flag(help: "Count offsets in bytes of UTF-8, not in characters (code points).")
    var bytes = false

    /// Whether a form is asked for.
    var isChosen: Bool { tokens || count || jsonl || table || bytes }

    func validate() throws {
        if [tokens, count, jsonl, table].count(where: { $0 }) > 1 {
            throw ValidationError("--tokens, --count, --jsonl and --table exclude each other")
        }
        if bytes, !jsonl, !table { throw ValidationError("--bytes is for --jsonl and --table") }
    }

    /// Writes one encoding of `text`, and of `pair` behind it.
    func write(_ encoding: Encoding, of text: String, pair: String?, _ tokenizer: Tokenizer) throws(Failure) {
        if count {
            try StandardOutput.write("\(encoding.count)\n")
        } else if tokens {
            try StandardOutput.write(tokenizer.tokens(of: encoding).joined(separator: " ") + "\n")
        } else if jsonl {
            try StandardOutput.write(json(encoding, tokenizer).serialized() + "\n")
        } else if table {
            try StandardOutput.write(table(encoding, text, pair, tokenizer) + "\n")
        } else {
            try StandardOutput.write(encoding.ids.map { String($0) }.joined(separator: " ") + "\n")
        }
    }

    private func json(_ encoding: Encoding, _ tokenizer: Tokenizer) -> JSON {
        func integers(_ values: some Sequence<some BinaryInteger>) -> JSON { .array(values.map { .integer(Int($0)) }) }
        func optional(_ values: some Sequence<some BinaryInteger>) -> JSON {
            .array(values.map { $0 < 0 ? .null : .integer(Int($0)) })
        }
        return [
            "ids": integers(encoding.ids), "tokens": .array(tokenizer.tokens(of: encoding).map { .string($0) }),
            "offsets": .array(encoding.offsets.map { [.integer($0.lowerBound), .integer($0.upperBound)] }),
            "type_ids": integers(encoding.typeIDs), "word_ids": optional(encoding.wordIDs),
            "sequence_ids": optional(encoding.sequenceIDs),
            "special_tokens_mask": integers(encoding.specialTokensMask),
        ]
    }

    private func table(_ encoding: Encoding, _ text: String, _ pair: String?, _ tokenizer: Tokenizer) -> String {
        var table = MarkdownTable(columns: [
            ("id", true), ("token", false), ("from", true), ("to", true), ("word", true), ("text", false),
        ])
        let texts = [text, pair ?? ""].map { Array($0.unicodeScalars) }
        let bytes = [text, pair ?? ""].map { Array($0.utf8) }
        for (index, token) in tokenizer.tokens(of: encoding).enumerated() {
            let range = encoding.offsets[index]
            let sequence = Int(encoding.sequenceIDs[index])
            var part = ""
            if sequence >= 0 {
                if self.bytes, range.upperBound <= bytes[sequence].count {
                    part = String(decoding: bytes[sequence][range], as: UTF8.self)
                } else if !self.bytes, range.upperBound <= texts[sequence].count {
                    part.unicodeScalars.append(contentsOf: texts[sequence][range])
                }
            }
            let isSpecial = sequence < 0
            table.rows.append([
                "\(encoding.ids[index])", token.printable, isSpecial ? "" : "\(range.lowerBound)",
                isSpecial ? "" : "\(range.upperBound)", encoding.wordIDs[index] < 0 ? "" : "\(encoding.wordIDs[index])",
                isSpecial ? "" : part.quoted,
            ])
        }
        return table.text
    }
}
