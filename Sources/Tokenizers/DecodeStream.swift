import NestlingBasics

/// Decodes token ids as they come, for example from a generating model, and never emits half a character.
///
/// What a token is as text depends on its neighbours, so the last few ids are decoded again with each new one and only
/// what is new and complete is given out. The method is that of `DecodeStream` in the tokenizers package.
/// A stream belongs to one thread at a time; it keeps its tokenizer alive.
public struct DecodeStream: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecialTokens: Bool
    /// Ids whose text may still change, behind those whose text was given out last.
    private var ids: [Int32] = []
    /// The text of the first ``settled`` ids.
    private var prefix: [UInt8] = []
    private var settled = 0

    private static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    /// A stream that begins with no text.
    ///
    /// - Parameter skipSpecialTokens: Whether special tokens are left out.
    public init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool = true) {
        self.tokenizer = tokenizer
        self.skipSpecialTokens = skipSpecialTokens
    }

    private func text(_ ids: [Int32]) throws(Failure) -> [UInt8] {
        Array(try tokenizer.decode(ids, skipSpecialTokens: skipSpecialTokens).utf8)
    }

    /// Takes the next id. Returns the text that it completes, or nil if more ids are needed to know.
    ///
    /// - Throws: As ``Tokenizer/decode(_:skipSpecialTokens:)``; the stream is then as it was.
    public mutating func append(_ id: Int32) throws(Failure) -> String? {
        if prefix.isEmpty, !ids.isEmpty {
            let known = try text(ids)
            if !known.ends(with: Self.replacement) {
                prefix = known
                settled = ids.count
            }
        }
        let next = ids + [id]
        let all = try text(next)
        guard all.count > prefix.count, !all.ends(with: Self.replacement) else {
            ids = next
            return nil
        }
        // Some decoders change what they said before; what the caller has cannot be taken back.
        var same = 0
        while same < prefix.count, all[same] == prefix[same] { same += 1 }
        while same > 0, same < all.count, all[same] & 0xC0 == 0x80 { same -= 1 }
        let new = all[same...]
        let kept = Array(next.dropFirst(settled))
        prefix = try text(kept)
        ids = kept
        settled = kept.count
        return String(decoding: new, as: UTF8.self)
    }

    /// Ends the stream: returns the text of ids that were waiting for others, incomplete characters as U+FFFD.
    ///
    /// - Throws: As ``Tokenizer/decode(_:skipSpecialTokens:)``; the stream is then as it was.
    public mutating func finish() throws(Failure) -> String {
        let all = try text(ids)
        let rest = all.starts(with: prefix) ? all.dropFirst(prefix.count) : []
        ids = []
        prefix = []
        settled = 0
        return String(decoding: rest, as: UTF8.self)
    }
}

extension [UInt8] {
    fileprivate func ends(with end: [UInt8]) -> Bool { suffix(end.count).elementsEqual(end) }
}
