public import NestlingBasics
public import NestlingModels
public import NestlingTokenizers

extension Tokenizer {
    /// Turns many texts, or pairs of texts, into token ids, on threads. The result is the same for any number of threads.
    ///
    /// - Parameters:
    ///   - texts: The texts.
    ///   - pairs: The second texts, as many as `texts`; `nil`: there are none.
    ///   - progress: Hears how many texts are done, on the calling thread; throws to stop.
    /// - Throws: As ``Tokenizer/encode(_:pair:addSpecialTokens:truncation:)``; the message names the first text, by number,
    ///   that cannot be encoded.
    public func encodeBatch(
        _ texts: [String], pairs: [String]? = nil, options: TokenizeOptions = TokenizeOptions(),
        progress: ProgressHandler? = nil
    ) throws(Failure) -> [Encoding] {
        if let pairs, pairs.count != texts.count {
            throw Failure(.invalidArgument, "\(texts.count) texts, but \(pairs.count) second texts")
        }
        let settings = EncodingSettings(options)
        let runs = TextRuns(count: texts.count, bytes: Self.bytesPerRun) { text in
            texts[text].utf8.count + (pairs?[text].utf8.count ?? 0)
        }
        let parts = try runs.perform(threads: options.threadCount, progress: progress, begin: { EncodingList() }) {
            (list, run, range) throws(TextFailure) in
            list.begin(run: run)
            for text in range {
                do throws(Failure) {
                    list.append(try encode(texts[text], pair: pairs?[text], settings))
                } catch {
                    throw TextFailure(text: text, error)
                }
            }
        }
        return EncodingList.joined(parts, runs: runs.count, texts: texts.count)
    }

    /// Turns many texts that the caller holds as UTF-8 into token ids, on threads, without copying them.
    ///
    /// - Parameters:
    ///   - texts: UTF-8.
    ///   - pairs: The second texts, as many as `texts`, `nil` for a text that has none; empty: there are none.
    ///   - hasDetails: Whether the result says more of tokens than id, type and mask.
    ///   - progress: Hears how many texts are done, on the calling thread; throws to stop.
    /// - Throws: As ``Tokenizer/encode(_:pair:addSpecialTokens:truncation:)``; the message names the first text, by number,
    ///   that cannot be encoded.
    public func encodeBatch(
        _ texts: [UnsafeBufferPointer<UInt8>], pairs: [UnsafeBufferPointer<UInt8>?] = [],
        options: TokenizeOptions = TokenizeOptions(), hasDetails: Bool, progress: ProgressHandler? = nil
    ) throws(Failure) -> Encodings {
        guard pairs.isEmpty || pairs.count == texts.count else {
            throw Failure(.invalidArgument, "\(texts.count) texts, but \(pairs.count) second texts")
        }
        var settings = EncodingSettings(options)
        settings.countsCharacters = settings.countsCharacters && hasDetails
        let isPaired = !pairs.isEmpty
        return try encodeRuns(
            count: texts.count, hasDetails: hasDetails, threads: options.threadCount, progress: progress,
            length: { texts[$0].count + (isPaired ? pairs[$0]?.count ?? 0 : 0) },
            encode: { text throws(Failure) in try encode(texts[text], pair: isPaired ? pairs[text] : nil, settings) })
    }

    /// Encodes `count` texts by a function of the caller's.
    func encodeRuns(
        count: Int, hasDetails: Bool, threads: Int?, progress: ProgressHandler?, length: (Int) -> Int,
        encode: (Int) throws(Failure) -> Encoding
    ) throws(Failure) -> Encodings {
        let runs = TextRuns(count: count, bytes: Self.bytesPerRun, length: length)
        let parts = try runs.perform(
            threads: threads, progress: progress, begin: { EncodedRuns(hasDetails: hasDetails) }
        ) { (part, run, range) throws(TextFailure) in
            part.begin(run: run)
            for text in range {
                do throws(Failure) {
                    part.append(try encode(text))
                } catch {
                    throw TextFailure(text: text, error)
                }
            }
        }
        return try Encodings(parts, runs: runs.count, hasDetails: hasDetails, threads: threads)
    }

    /// Some tens of microseconds of work.
    static var bytesPerRun: Int { 1024 }

    // MARK: - One text

    func encode(
        _ text: UnsafeBufferPointer<UInt8>, pair: UnsafeBufferPointer<UInt8>?, _ settings: EncodingSettings
    ) throws(Failure) -> Encoding {
        var encoding = try encode(
            text, pair: pair, addSpecialTokens: settings.addsSpecialTokens, truncation: settings.truncation,
            keepsOverflow: settings.keepsOverflow)
        if settings.countsCharacters { encoding.countOffsetsInCharacters(of: text, pair: pair) }
        return encoding
    }

    private func encode(
        _ text: String, pair: String?, _ settings: EncodingSettings
    ) throws(Failure) -> Encoding {
        try withBytes(of: text) { (text) throws(Failure) in
            guard let pair else { return try encode(text, pair: nil, settings) }
            return try withBytes(of: pair) { (pair) throws(Failure) in try encode(text, pair: pair, settings) }
        }
    }
}

/// What ``TokenizeOptions`` means for one text.
struct EncodingSettings {
    var addsSpecialTokens: Bool
    var truncation: Truncation?
    var keepsOverflow: Bool
    var countsCharacters: Bool

    init(_ options: TokenizeOptions) {
        addsSpecialTokens = options.addsSpecialTokens
        truncation = options.truncation
        keepsOverflow = options.keepsOverflow
        countsCharacters = options.offsetUnit == .characters
    }
}

/// Lends the UTF-8 of a string.
func withBytes<Result>(
    of text: String, _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Result
) throws(Failure) -> Result {
    var text = text
    var result: Swift.Result<Result, Failure>?
    text.withUTF8 { bytes in
        do throws(Failure) { result = .success(try body(bytes)) } catch { result = .failure(error) }
    }
    guard let result else { throw Failure(.internal, "the text was not lent") }
    return try result.get()
}

/// The encodings that one thread made, run by run.
private struct EncodingList {
    private var runs: [(number: Int, first: Int)] = []
    private var encodings: [Encoding] = []

    mutating func begin(run: Int) { runs.append((run, encodings.count)) }

    mutating func append(_ encoding: Encoding) { encodings.append(encoding) }

    /// All encodings in the order of the runs.
    static func joined(_ lists: [EncodingList], runs: Int, texts: Int) -> [Encoding] {
        if lists.count == 1 { return lists[0].encodings }
        var places = [(list: Int, range: Range<Int>)](repeating: (0, 0..<0), count: runs)
        for (index, list) in lists.enumerated() {
            for (position, run) in list.runs.enumerated() {
                let end = position + 1 < list.runs.count ? list.runs[position + 1].first : list.encodings.count
                places[run.number] = (index, run.first..<end)
            }
        }
        var result: [Encoding] = []
        result.reserveCapacity(texts)
        for place in places { result += lists[place.list].encodings[place.range] }
        return result
    }
}
