import Nestling
import NestlingTestSupport
import Testing

/// Many texts at once are what they are one by one, however many threads there are.
@Suite struct TokenizerBatchTests {
    static let names = ["bert", "roberta", "llama3", "t5"]

    private static func tokenizer(_ name: String) throws -> Tokenizer {
        try Tokenizer(path: Fixtures.path("../TokenizersTests/Fixtures/\(name).json"))
    }

    /// Texts from nothing to longer than a run of work, in an order that puts long ones anywhere.
    private static let texts: [String] = {
        let words = ["the", "nest", "Überflug", "naïve", "東京", "🐦‍⬛", "fledgling,", "...", "42", "\u{0}", "  "]
        return (0..<300).map { text in
            let count = text % 97 == 5 ? 2000 : (text * 7919) % 23
            return (0..<count).map { words[($0 * $0 + text) % words.count] }.joined(separator: " ")
        }
    }()

    private static let pairs = texts.reversed().map { String($0.prefix(60)) }

    private static func options(_ threads: Int?, _ truncation: Truncation? = nil) -> TokenizeOptions {
        var options = TokenizeOptions()
        options.threadCount = threads
        options.truncation = truncation
        return options
    }

    @Test(arguments: names) func aBatchIsItsTexts(_ name: String) throws {
        let tokenizer = try Self.tokenizer(name)
        let expected = try Self.texts.map { try tokenizer.encode($0) }
        let paired = try zip(Self.texts, Self.pairs).map { try tokenizer.encode($0, pair: $1) }
        for threads in [1, 2, 3, 16, nil] {
            #expect(try tokenizer.encodeBatch(Self.texts, options: Self.options(threads)) == expected)
            #expect(
                try tokenizer.encodeBatch(Self.texts, pairs: Self.pairs, options: Self.options(threads)) == paired)
        }
        #expect(try tokenizer.encodeBatch([]) == [])
    }

    @Test(arguments: names) func partsThatAreCutOffAreKeptOnDemand(_ name: String) throws {
        let tokenizer = try Self.tokenizer(name)
        var truncation = Truncation(maximumTokens: 16, stride: 3)
        for direction in [Truncation.Direction.right, .left] {
            truncation.direction = direction
            for threads in [1, 2] {
                var options = Self.options(threads, truncation)
                options.keepsOverflow = true
                let kept = try tokenizer.encodeBatch(Self.texts, options: options)
                #expect(kept.contains { $0.overflowing.count > 10 })
                for (encoding, text) in zip(kept, Self.texts) {
                    let expected = try Array(text.utf8).withUnsafeBufferPointer { bytes in
                        try tokenizer.encode(bytes, truncation: truncation)
                    }
                    #expect(encoding == expected)
                }
                options.keepsOverflow = false
                let dropped = try tokenizer.encodeBatch(Self.texts, options: options)
                #expect(dropped.allSatisfy { $0.overflowing.isEmpty })
                #expect(dropped.map(\.ids) == kept.map(\.ids))
            }
        }
    }

    @Test func flatArraysHoldTheSame() throws {
        let tokenizer = try Self.tokenizer("bert")
        let bytes = Self.texts.map { Array($0.utf8) }
        let buffers = bytes.map { list in
            let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: list.count)
            _ = memory.initialize(from: list)
            return UnsafeBufferPointer(memory)
        }
        defer { for buffer in buffers { buffer.deallocate() } }
        let seconds = buffers.indices.map { $0 % 3 == 0 ? nil : buffers[buffers.count - 1 - $0] }
        for unit in [TokenizeOptions.OffsetUnit.bytes, .characters] {
            for pairs in [[], seconds] {
                for threads in [1, 2, 5] {
                    var options = Self.options(
                        threads, Truncation(maximumTokens: 40, stride: pairs.isEmpty ? 35 : 15))
                    options.keepsOverflow = pairs.isEmpty
                    options.offsetUnit = unit
                    let found = try tokenizer.encodeBatch(buffers, pairs: pairs, options: options, hasDetails: true)
                    try Self.expect(found, buffers, pairs, options, tokenizer)
                    let bare = try tokenizer.encodeBatch(buffers, pairs: pairs, options: options, hasDetails: false)
                    #expect(Array(bare.ids) == Array(found.ids) && Array(bare.offsets) == Array(found.offsets))
                    #expect(bare.starts == nil && bare.wordIDs == nil)
                }
            }
        }
    }

    private static func expect(
        _ found: Encodings, _ texts: [UnsafeBufferPointer<UInt8>], _ pairs: [UnsafeBufferPointer<UInt8>?],
        _ options: TokenizeOptions, _ tokenizer: Tokenizer
    ) throws {
        #expect(found.textCount == texts.count && found.parts[0] == 0 && found.offsets[0] == 0)
        #expect(found.parts[texts.count] == found.count && found.offsets[found.count] == found.tokenCount)
        for text in texts.indices {
            let pair = pairs.isEmpty ? nil : pairs[text]
            let whole = try tokenizer.encode(texts[text], pair: pair, truncation: options.truncation)
            let expected = [whole] + (options.keepsOverflow ? whole.overflowing : [])
            #expect(found.parts[text + 1] - found.parts[text] == expected.count)
            for (part, encoding) in expected.enumerated() {
                let number = found.parts[text] + part
                let range = found.offsets[number]..<found.offsets[number + 1]
                let offsets =
                    options.offsetUnit == .bytes
                    ? encoding.offsets : encoding.characterOffsets(in: texts[text], pair: pair)
                #expect(Array(found.ids[range]) == encoding.ids)
                #expect(Array(found.typeIDs[range]) == encoding.typeIDs)
                #expect(Array(found.specialTokensMask[range]) == encoding.specialTokensMask)
                #expect(found.starts.map { $0[range].map(Int.init) } == offsets.map(\.lowerBound))
                #expect(found.ends.map { $0[range].map(Int.init) } == offsets.map(\.upperBound))
                #expect(found.wordIDs.map { Array($0[range]) } == encoding.wordIDs)
                #expect(found.sequenceIDs.map { $0[range].map(Int8.init) } == encoding.sequenceIDs)
            }
        }
    }

    @Test func theFirstTextThatFailsIsNamed() throws {
        let tokenizer = try Self.tokenizer("bert")
        var buffers = [UnsafeBufferPointer<UInt8>]()
        for text in 0..<2000 {
            let bytes = text % 500 == 321 ? [0x61, 0xFF] : Array("text number \(text) is longer than a few bytes".utf8)
            let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
            _ = memory.initialize(from: bytes)
            buffers.append(UnsafeBufferPointer(memory))
        }
        defer { for buffer in buffers { buffer.deallocate() } }
        for threads in [1, 2, 7] {
            for _ in 0..<20 {
                let error = try #require(throws: NestlingError.self) {
                    try tokenizer.encodeBatch(buffers, options: Self.options(threads), hasDetails: false)
                }
                #expect(error.kind == .invalidArgument)
                #expect(error.message.hasPrefix("text 321:") && error.message.contains("byte 1"))
            }
        }
        let short = Self.options(2, Truncation(maximumTokens: 1))
        let error = try #require(throws: NestlingError.self) {
            try tokenizer.encodeBatch(["", "a b"], options: short)
        }
        #expect(error.message.hasPrefix("text 0:"))
        #expect(throws: NestlingError.self) { try tokenizer.encodeBatch(["a"], pairs: []) }
    }

    @Test func progressRisesAndCanCancel() throws {
        let tokenizer = try Self.tokenizer("bert")
        let many = [[String]](repeating: Self.texts, count: 20).flatMap { $0 }
        var heard: [Int] = []
        _ = try tokenizer.encodeBatch(many, options: Self.options(2)) { stage, done, total throws(NestlingError) in
            #expect(stage == "tokenize" && total == many.count)
            heard.append(done)
        }
        #expect(heard == heard.sorted() && heard.first == 0 && heard.last == many.count)
        for calls in 1...3 {
            var count = 0
            let error = try #require(throws: NestlingError.self) {
                try tokenizer.encodeBatch(many, options: Self.options(2)) { _, _, _ throws(NestlingError) in
                    count += 1
                    if count == calls || count == 2 { throw NestlingError(.cancelled, "enough") }
                }
            }
            #expect(error.kind == .cancelled && count == min(calls, 2))
        }
    }

    @Test(arguments: names) func decodingABatchIsDecodingEach(_ name: String) throws {
        let tokenizer = try Self.tokenizer(name)
        let sequences = try tokenizer.encodeBatch(Self.texts).map(\.ids)
        for skips in [true, false] {
            let expected = try sequences.map { try tokenizer.decode($0, skipSpecialTokens: skips) }
            for threads in [1, 2, 9, nil] {
                #expect(
                    try tokenizer.decodeBatch(sequences, skipSpecialTokens: skips, threadCount: threads) == expected)
            }
        }
        #expect(try tokenizer.decodeBatch([]) == [])
        for wrong in [[1, 2], [0, 2, 1], [0, 4], []] {
            [Int32](repeating: 5, count: 3).withUnsafeBufferPointer { ids in
                wrong.withUnsafeBufferPointer { offsets in
                    _ = #expect(throws: NestlingError.self) {
                        try tokenizer.decodeBatch(ids, offsets: offsets, skipSpecialTokens: true)
                    }
                }
            }
        }
    }

    @Test func aTokenizerDescribesItself() throws {
        let json = try Self.tokenizer("bert").description
        #expect(json["model"]?.string == "WordPiece")
        #expect(json["special_tokens_to_add"]?["single"]?.int == 2 && json["special_tokens_to_add"]?["pair"]?.int == 3)
        let added = try #require(json["added_tokens"]?.array)
        #expect(added.contains { $0["content"]?.string == "[CLS]" && $0["special"] == true })
        let size = try #require(json["vocabulary_size"]?.int)
        let without = try #require(json["vocabulary_size_without_added"]?.int)
        #expect(without <= size && without > 0)
    }
}
