import NestlingBasics
import Glibc
import NestlingTestSupport
import Testing

/// `nestling embed`: vectors as sentence-transformers gives them, in every form, however the texts arrive.
@Suite struct EmbedTests {
    private let checkpoint = Fixtures.path("sentence-transformers/dense")

    private func texts() throws -> [String] {
        let json = try JSON.parse(
            String(decoding: try TemporaryFolder.read(checkpoint + "/texts.json"), as: UTF8.self), name: "texts.json")
        return try #require(json.array).compactMap(\.string)
    }

    private func numbers(_ line: String, _ separator: Character = " ") -> [Float] {
        line.split(separator: separator).compactMap { Float($0) }
    }

    static let prompts: [(tensor: String, options: [String])] = [
        ("vectors", []), ("vectors.no_prompt", ["--prompt", ""]), ("vectors.query", ["--prompt-name", "query"]),
    ]

    @Test(arguments: prompts) func agreesWithSentenceTransformers(_ name: String, _ options: [String]) throws {
        let expected = try #require(try Golden("sentence-transformers/dense").floats(name))
        let texts = try texts()
        #expect(texts.allSatisfy { !$0.contains("\n") })
        let outcome = try Command.run(
            ["embed", checkpoint] + options, input: Array(texts.joined(separator: "\n").utf8) + [0x0A])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let found = outcome.lines.flatMap { numbers($0) }
        #expect(found.count == expected.count)
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 2e-5 })
    }

    @Test func formsAgreeToTheLastBit() throws {
        let texts = ["A small bird.", "", "Two dogs"]
        let folder = try TemporaryFolder()
        let plain = try Command.run(["embed", checkpoint] + texts)
        let vectors = plain.lines.map { numbers($0) }
        #expect(vectors.count == 3 && vectors.allSatisfy { $0.count == 10 })

        let csv = try Command.run(["embed", checkpoint, "--csv"] + texts)
        #expect(csv.lines.map { numbers($0, ",") } == vectors)

        let json = try JSON.parse(try Command.run(["embed", checkpoint, "--json"] + texts).text, name: "output")
        #expect(json["count"]?.int == 3 && json["dimensions"]?.int == 10)
        #expect(json["vectors"]?.array?.map { $0.array?.compactMap { $0.double.map { Float($0) } } } == vectors)

        let none = try Command.run(["embed", checkpoint, "--npy", folder.path("vectors.npy")] + texts)
        #expect(none.status == 0 && none.output.isEmpty)
        #expect(
            try NumPyArray(folder.read("vectors.npy"))
                == NumPyArray(rows: 3, columns: 10, values: vectors.flatMap { $0 }))
        #expect(try folder.names() == ["vectors.npy"])
    }

    @Test func inputInPiecesGivesTheSameBits() throws {
        let texts = (0..<3000).map { "Two dogs and \($0 % 7) sparrows" + String(repeating: " nest", count: $0 % 11) }
        let folder = try TemporaryFolder()
        try folder.write("texts.txt", Array(texts.joined(separator: "\r\n").utf8))
        let whole = try Command.run("embed", checkpoint, "--file", folder.path("texts.txt"))
        #expect(whole.status == 0 && whole.errors.isEmpty)
        let lines = whole.lines
        #expect(lines.count == 3000)
        for index in [0, 1, 255, 256, 2999] {
            #expect(try Command.run("embed", checkpoint, texts[index], "--threads", "1").lines == [lines[index]])
        }
    }

    @Test func idsNeedNoTokenizer() throws {
        let bert = Fixtures.path("bert/base")
        let outcome = try Command.run(
            "embed", bert, "--ids", "1,2,3", "--ids", "5", "--pooling", "cls", "--dimensions", "7")
        #expect(outcome.lines.map { numbers($0).count } == [7, 7])
        let text = try Command.run("embed", bert, "a text")
        #expect(text.status == 66 && text.errors.contains("tokenizer"))
        let beyond = try Command.run("embed", bert, "--ids", "1,120")
        #expect(beyond.status == 64 && beyond.errors.contains("120"))
    }

    @Test func submodelsAndMergingChangeVectors() throws {
        let bert = Fixtures.path("bert/base")
        let ids = ["embed", bert, "--ids", (1...40).map { String($0) }.joined(separator: ",")]
        let whole = try Command.run(ids).text
        #expect(
            try Command.run(ids + ["--ffn", "1", "--heads", "1.0", "--layers", "0-2", "--merge", "0"]).text == whole)
        for options in [
            ["--ffn", "0.5"], ["--heads", "1"], ["--layers", "0,2"], ["--merge", "4"], ["--merge-ratio", "0.5"],
            ["--reduce", #"{"method":"pitome","keep":0.5}"#],
        ] {
            let outcome = try Command.run(ids + options)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.text != whole, "\(options)")
        }
    }

    @Test func similarityIsATableOrAMatrix() throws {
        let table = try Command.run("embed", checkpoint, "A bird\u{1B}[31m", "A bird", "stones", "--similarity").lines
        #expect(table.count == 4)
        #expect(table[1].hasPrefix("1  1.000") && table[3].hasSuffix("\"stones\""))
        #expect(!table[1].contains("\u{1B}"))
        let json = try JSON.parse(
            try Command.run("embed", checkpoint, "a", "b", "--similarity", "--json").text, name: "output")
        #expect(json["similarity"]?.array?.count == 2)
        #expect(abs((json["similarity"]?.array?[1].array?[1].double ?? 0) - 1) < 1e-6)
    }

    @Test func noTextsGiveNoVectors() throws {
        let folder = try TemporaryFolder()
        #expect(try Command.run("embed", checkpoint).output.isEmpty)
        #expect(try JSON.parse(try Command.run("embed", checkpoint, "--json").text, name: "output")["count"]?.int == 0)
        _ = try Command.run("embed", checkpoint, "--npy", folder.path("none.npy"))
        #expect(try NumPyArray(folder.read("none.npy")) == NumPyArray(rows: 0, columns: 10, values: []))
    }

    @Test func invalidTextIsNamedByItsLine() throws {
        let folder = try TemporaryFolder()
        let bytes = Array("one\ntwo\nth".utf8) + [0xFF] + Array("ree\n".utf8)
        let outcome = try Command.run(["embed", checkpoint, "--npy", folder.path("vectors.npy")], input: bytes)
        #expect(outcome.status == 65)
        #expect(outcome.errors == "nestling: standard input:3: not UTF-8 (byte 3 of the line)\n")
        #expect(try folder.names() == [])
    }
}

/// An array as NumPy's own format has it (version 1.0).
struct NumPyArray: Equatable {
    var rows: Int
    var columns: Int
    var values: [Float]

    init(rows: Int, columns: Int, values: [Float]) { (self.rows, self.columns, self.values) = (rows, columns, values) }

    init(_ bytes: [UInt8]) throws {
        #expect(Array(bytes.prefix(8)) == [0x93] + Array("NUMPY".utf8) + [1, 0])
        let length = Int(bytes[8]) | Int(bytes[9]) << 8
        #expect((10 + length) % 64 == 0 && bytes[10 + length - 1] == 0x0A)
        let header = String(decoding: bytes[10..<10 + length], as: UTF8.self)
        #expect(header.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': ("))
        let shape = try #require(header.split(separator: "(").last?.split(separator: ")").first).split(separator: ",")
        rows = try #require(Int(shape[0]))
        columns = try #require(Int(shape[1].drop { $0 == " " }))
        let data = bytes[(10 + length)...]
        #expect(data.count == rows * columns * 4)
        values = data.withUnsafeBytes { raw in
            (0..<raw.count / 4).map { Float(bitPattern: raw.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)) }
        }
    }
}
