import CNestling
import Glibc
import Nestling

/// Text and its length in bytes, which may be 0 with a NULL pointer.
func textBytes(
    _ text: UnsafePointer<CChar>?, _ length: Int, _ name: String
) throws(NestlingError) -> UnsafeBufferPointer<UInt8> {
    guard length >= 0 else { throw .argument("\(name): length \(UInt(bitPattern: length)) cannot be meant") }
    if length == 0 { return UnsafeBufferPointer(start: nil, count: 0) }
    let start = UnsafeRawPointer(try require(text, name)).assumingMemoryBound(to: UInt8.self)
    return UnsafeBufferPointer(start: start, count: length)
}

/// A number of texts or sequences.
func checkCount(_ count: Int, _ name: String) throws(NestlingError) {
    guard (0...Int(Int32.max)).contains(count) else {
        throw .argument("\(name) \(UInt(bitPattern: count)) cannot be meant")
    }
}

/// The caller's texts where they are; whether they are UTF-8 is the tokenizer's to say.
func textList(
    _ texts: UnsafePointer<UnsafePointer<CChar>?>?, _ lengths: UnsafePointer<Int>?, _ count: Int
) throws(NestlingError) -> [UnsafeBufferPointer<UInt8>] {
    guard count > 0 else { return [] }
    let texts = try require(texts, "texts")
    var result: [UnsafeBufferPointer<UInt8>] = []
    result.reserveCapacity(count)
    for index in 0..<count {
        guard let text = texts[index] else { throw .argument("texts[\(index)] is NULL") }
        result.append(try bytes(text, lengths, index, "lengths"))
    }
    return result
}

/// The caller's second texts where they are, `nil` for those that are NULL; empty if there are none at all.
func secondTextList(
    _ texts: UnsafePointer<UnsafePointer<CChar>?>?, _ lengths: UnsafePointer<Int>?, _ count: Int
) throws(NestlingError) -> [UnsafeBufferPointer<UInt8>?] {
    guard let texts else {
        if lengths != nil { throw .argument("second_texts is NULL, but second_lengths is not") }
        return []
    }
    var result: [UnsafeBufferPointer<UInt8>?] = []
    result.reserveCapacity(count)
    for index in 0..<count {
        if let text = texts[index] {
            result.append(try bytes(text, lengths, index, "second_lengths"))
            continue
        }
        if let lengths, lengths[index] != 0 {
            throw .argument(
                "second_texts[\(index)] is NULL, but second_lengths[\(index)] is \(UInt(bitPattern: lengths[index]))")
        }
        result.append(nil)
    }
    return result
}

private func bytes(
    _ text: UnsafePointer<CChar>, _ lengths: UnsafePointer<Int>?, _ index: Int, _ name: String
) throws(NestlingError) -> UnsafeBufferPointer<UInt8> {
    let length = lengths.map { $0[index] } ?? strlen(text)
    guard length >= 0 else {
        throw .argument("\(name)[\(index)] is \(UInt(bitPattern: length)), which cannot be meant")
    }
    return UnsafeBufferPointer(start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: length)
}

/// The caller's nestling_tokenize_options.
struct TokenizeArguments {
    let values: nestling_tokenize_options

    init(_ pointer: UnsafePointer<nestling_tokenize_options>?) throws(NestlingError) {
        values = try options(pointer, as: nestling_tokenize_options.self, "nestling_tokenize_options")
        try requireZero(reserved: values.reserved)
    }

    /// How texts are encoded and cut.
    func tokenizing() throws(NestlingError) -> TokenizeOptions {
        var result = TokenizeOptions()
        result.addsSpecialTokens = try flag(values.special_tokens, default: true, "special_tokens")
        result.keepsOverflow = try flag(values.overflowing, default: false, "overflowing")
        let strategy: Truncation.Strategy
        switch values.truncation {
        case Int32(NESTLING_TRUNCATE_LONGEST_FIRST): strategy = .longestFirst
        case Int32(NESTLING_TRUNCATE_ONLY_FIRST): strategy = .onlyFirst
        case Int32(NESTLING_TRUNCATE_ONLY_SECOND): strategy = .onlySecond
        case let other: throw .argument("truncation \(other) is not a NESTLING_TRUNCATE_...")
        }
        let side: Truncation.Direction
        switch values.truncation_side {
        case Int32(NESTLING_SIDE_RIGHT): side = .right
        case Int32(NESTLING_SIDE_LEFT): side = .left
        case let other: throw .argument("truncation_side \(other) is not a NESTLING_SIDE_...")
        }
        if values.maximum_tokens != 0 {
            result.truncation = Truncation(
                maximumTokens: Int(values.maximum_tokens), stride: Int(values.stride), strategy: strategy,
                direction: side)
        }
        return result
    }

    /// The second text of nestling_tokenizer_encode.
    func secondText() throws(NestlingError) -> UnsafeBufferPointer<UInt8>? {
        guard values.second_text != nil || values.second_length == 0 else {
            throw .argument("second_text is NULL, but second_length is \(UInt(bitPattern: values.second_length))")
        }
        return values.second_text == nil ? nil : try textBytes(values.second_text, values.second_length, "second_text")
    }

    /// The parts of a text of `length` bytes in which nestling_tokenizer_encode finds no added tokens.
    func plainRanges(of length: Int) throws(NestlingError) -> [Range<Int>] {
        let count = values.plain_range_count
        if count == 0 {
            guard values.plain_ranges == nil else { throw .argument("plain_ranges is given, but its count is 0") }
            return []
        }
        // More do not fit into the text, empty ones aside.
        guard (1...max(1, length)).contains(count) else {
            throw .argument("plain_range_count \(UInt(bitPattern: count)) cannot be meant for \(length) bytes")
        }
        let bounds = try require(values.plain_ranges, "plain_ranges")
        var ranges: [Range<Int>] = []
        ranges.reserveCapacity(count)
        for index in 0..<count {
            let (begin, end) = (bounds[2 * index], bounds[2 * index + 1])
            guard begin >= ranges.last?.upperBound ?? 0, begin <= end, end <= length else {
                throw .argument(
                    "plain_ranges[\(index)] is \(UInt(bitPattern: begin)) ..< \(UInt(bitPattern: end)): they must rise "
                        + "within the text's \(length) bytes")
            }
            ranges.append(begin..<end)
        }
        return ranges
    }

    /// Refuses what only nestling_tokenizer_encode_batch can do.
    func requireOneText() throws(NestlingError) {
        let isSet: [(String, Bool)] = [
            ("overflowing", values.overflowing == 1), ("details", values.details != 0),
            ("threads", values.threads != 0), ("progress", values.progress != nil),
        ]
        for (name, isSet) in isSet where isSet {
            throw .argument("\(name) is an option of nestling_tokenizer_encode_batch only")
        }
    }

    /// What only nestling_tokenizer_encode_batch can do.
    func batching() throws(NestlingError) -> (options: TokenizeOptions, hasDetails: Bool) {
        guard values.second_text == nil, values.second_length == 0 else {
            throw .argument("second_text is an option of nestling_tokenizer_encode only; pass second_texts")
        }
        guard values.plain_ranges == nil, values.plain_range_count == 0 else {
            throw .argument("plain_ranges is an option of nestling_tokenizer_encode only")
        }
        var result = try tokenizing()
        switch values.details {
        case Int32(NESTLING_DETAILS_NONE), Int32(NESTLING_DETAILS_BYTES): result.offsetUnit = .bytes
        case Int32(NESTLING_DETAILS_CHARACTERS): result.offsetUnit = .characters
        case let other: throw .argument("details \(other) is not a NESTLING_DETAILS_...")
        }
        guard values.threads <= 1024 else { throw .argument("threads \(values.threads) is more than 1024") }
        if values.threads != 0 { result.threadCount = Int(values.threads) }
        return (result, values.details != NESTLING_DETAILS_NONE)
    }
}
