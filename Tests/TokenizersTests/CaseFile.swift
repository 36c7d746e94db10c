import NestlingBasics
import Glibc
import NestlingTokenizers

/// A file of JSON lines that says what a tokenizer must answer. The first line names the tokenizer file (relative to the
/// case file); every other line is a text with what the Python package made of it.
struct CaseFile {
    let tokenizer: Tokenizer
    private let lines: [ArraySlice<UInt8>]

    /// The whole file at `path`, or nil.
    static func contents(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    /// The tokenizer at `path`: a vocab.txt if it is named so, a vocab.json with its merges.txt, a SentencePiece model, or
    /// a tokenizer.json.
    static func tokenizer(at path: String, settings: JSONObject? = nil) throws -> Tokenizer {
        guard let bytes = contents(of: path) else { throw Failure(.io, "cannot read \(path)") }
        if path.hasSuffix("vocab.json") {
            let merges = contents(of: String(path.dropLast("vocab.json".count)) + "merges.txt") ?? []
            return try bytes.withUnsafeBytes { vocabulary in
                try merges.withUnsafeBytes {
                    try Tokenizer(vocabulary: vocabulary, merges: $0, name: path, settings: settings)
                }
            }
        }
        if path.hasSuffix(".model") {
            return try bytes.withUnsafeBytes { try Tokenizer(sentencePiece: $0, name: path, settings: settings) }
        }
        return try bytes.withUnsafeBytes { buffer in
            path.hasSuffix(".txt")
                ? try Tokenizer(vocabulary: buffer, name: path, settings: settings)
                : try Tokenizer(json: buffer, name: path)
        }
    }

    /// Opens the cases at `path`.
    init(path: String) throws {
        guard let bytes = Self.contents(of: path) else { throw Failure(.io, "cannot read \(path)") }
        let all = bytes.split(separator: 0x0A)
        guard let first = all.first else { throw Failure(.corrupt, "\(path) is empty") }
        let head = try Self.parse(first)
        guard let name = head["tokenizer"]?.string else { throw Failure(.corrupt, "\(path) names no tokenizer") }
        let folder = path.utf8.lastIndex(of: 0x2F).map { String(path[...$0]) } ?? ""
        tokenizer = try Self.tokenizer(
            at: name.hasPrefix("/") ? name : folder + name, settings: head["settings"]?.object)
        lines = Array(all.dropFirst())
    }

    private static func parse(_ line: ArraySlice<UInt8>) throws -> JSON {
        try line.withUnsafeBytes { try JSON.parse($0, name: "case") }
    }

    /// Runs every case; `report` gets a line for each that fails. Returns how many there were.
    func run(report: (String) -> Void) throws -> Int {
        for line in lines {
            let expected = try Self.parse(line)
            let text = expected["text"]?.string ?? ""
            do {
                for difference in try differences(text, expected) { report("\(difference)\n    text \(escaped(text))") }
            } catch {
                report("\(error)\n    text \(escaped(text))")
            }
        }
        return lines.count
    }

    private func escaped(_ text: String) -> String {
        text.unicodeScalars.prefix(300).map { $0.escaped(asASCII: true) }.joined()
    }

    private func differences(_ text: String, _ expected: JSON) throws -> [String] {
        var found: [String] = []
        if let ids = expected["decode_ids"]?.array {
            let decoded = try tokenizer.decode(
                ids.compactMap { $0.int.flatMap { Int32(exactly: $0) } },
                skipSpecialTokens: expected["skip"]?.bool ?? true)
            if !decoded.utf8.elementsEqual((expected["decode"]?.string ?? "").utf8) {
                found.append("decode: \(escaped(decoded)) instead of \(escaped(expected["decode"]?.string ?? ""))")
            }
            if let wanted = expected["stream"]?.array {
                var stream = DecodeStream(tokenizer, skipSpecialTokens: expected["skip"]?.bool ?? true)
                let got = try ids.map { try stream.append(Int32($0.int ?? 0)).map { JSON.string($0) } ?? .null }
                if !zip(got, wanted).allSatisfy({ equal($0, $1) }) {
                    found.append("stream: \(got) instead of \(wanted)")
                }
            }
            return found
        }
        let pair = expected["pair"]?.string
        var truncation: Truncation?
        if let maximum = expected["max"]?.int {
            truncation = Truncation(
                maximumTokens: maximum, stride: expected["stride"]?.int ?? 0,
                strategy: Truncation.Strategy(rawValue: expected["strategy"]?.string ?? "") ?? .longestFirst,
                direction: expected["left"]?.bool == true ? .left : .right)
        }
        let first = Array(text.utf8)
        let second = pair.map { Array($0.utf8) }
        return first.withUnsafeBufferPointer { first in
            (second ?? []).withUnsafeBufferPointer { buffer in
                let second = second == nil ? nil : buffer
                let encoding: Encoding
                do {
                    encoding = try tokenizer.encode(
                        first, pair: second, addSpecialTokens: expected["special"]?.bool ?? true,
                        truncation: truncation)
                } catch {
                    return expected["error"] != nil ? [] : ["failure: \(error)"]
                }
                if let error = expected["error"]?.string { return ["no failure, but the reference says \(error)"] }
                compare(encoding, expected, first, second, "", &found)
                if let parts = expected["overflowing"]?.array {
                    if parts.count != encoding.overflowing.count {
                        found.append("\(encoding.overflowing.count) parts cut off instead of \(parts.count)")
                    } else {
                        for (index, part) in parts.enumerated() {
                            compare(encoding.overflowing[index], part, first, second, "part \(index): ", &found)
                        }
                    }
                }
                return found
            }
        }
    }

    private func equal(_ left: JSON, _ right: JSON) -> Bool {
        guard let left = left.string, let right = right.string else { return left.isNull && right.isNull }
        return left.utf8.elementsEqual(right.utf8)
    }

    private func compare(
        _ encoding: Encoding, _ expected: JSON, _ text: UnsafeBufferPointer<UInt8>,
        _ pair: UnsafeBufferPointer<UInt8>?, _ prefix: String, _ found: inout [String]
    ) {
        func check(_ key: String, _ got: [Int]) {
            guard let wanted = expected[key]?.array?.map({ $0.int ?? -1 }), wanted != got else { return }
            let at = zip(wanted, got).enumerated().first { $1.0 != $1.1 }?.offset ?? min(wanted.count, got.count)
            let (low, high) = (max(0, at - 4), at + 8)
            found.append(
                "\(prefix)\(key) at \(at): \(got.dropFirst(low).prefix(high - low)) instead of "
                    + "\(wanted.dropFirst(low).prefix(high - low))")
        }
        check("ids", encoding.ids.map(Int.init))
        check("types", encoding.typeIDs.map(Int.init))
        check("mask", encoding.specialTokensMask.map(Int.init))
        check("words", encoding.wordIDs.map(Int.init))
        check("sequences", encoding.sequenceIDs.map(Int.init))
        if expected["offsets"] != nil {
            let characters = encoding.characterOffsets(in: text, pair: pair)
            check("offsets", characters.flatMap { [$0.lowerBound, $0.upperBound] })
        }
        if let decode = expected["decode"]?.string {
            let decoded = (try? tokenizer.decode(encoding.ids, skipSpecialTokens: true)) ?? "(failed)"
            if !decoded.utf8.elementsEqual(decode.utf8) {
                found.append("\(prefix)decode: \(escaped(decoded)) instead of \(escaped(decode))")
            }
        }
    }
}
