public import NestlingBasics
import NestlingCheckpoints
import NestlingModels
import NestlingTokenizers

/// What is put before each text.
public enum Prompt: Sendable, Equatable {
    /// The checkpoint's default prompt, if it has one.
    case standard
    /// The prompt of this name in the checkpoint's settings.
    case named(String)
    /// This text; empty: nothing.
    case text(String)
}

extension Model {
    /// Token ids of texts with special tokens, cut to ``textTokens``; and the number of leading tokens that belong to the
    /// prompt and that means leave out (0 unless the checkpoint says that they do).
    ///
    /// - Parameters:
    ///   - texts: UTF-8.
    ///   - threadCount: threads that the call may use; `nil`: ``Engine/threadCount``.
    /// - Throws: `.notFound` without a tokenizer or the named prompt, `.invalidArgument` for invalid UTF-8, naming text and byte.
    public func tokenize<Text: Collection<UInt8>>(
        _ texts: [Text], prompt: Prompt = .standard, threadCount: Int? = nil
    ) throws(Failure) -> (batch: TokenBatch, skippedTokens: Int) {
        let tokenizer = try requireTokenizer()
        let prefix = Array(try text(of: prompt).utf8)
        let encodings = try tokenizer.encodeRuns(
            count: texts.count, hasDetails: false, threads: threadCount, progress: nil,
            length: { prefix.count + texts[$0].count },
            encode: { index throws(Failure) in try encode(texts[index], behind: prefix, tokenizer) })
        let batch = TokenBatch(encodings)
        guard !prefix.isEmpty, !network.weights.pipeline.includesPrompt else { return (batch, 0) }
        let encoding = try encode(prefix, behind: [], tokenizer)
        let endsSpecial = encoding.specialTokensMask.last == 1
        return (batch, encoding.ids.count - (endsSpecial ? 1 : 0))
    }

    private func encode(
        _ text: some Collection<UInt8>, behind prefix: [UInt8], _ tokenizer: Tokenizer
    ) throws(Failure) -> Encoding {
        if prefix.isEmpty, !sentence.lowercases { return try encode(text, tokenizer) }
        // Invalid UTF-8 is named by its place in the text, not in prompt and text.
        if String(validating: text, as: UTF8.self) == nil { return try encode(text, tokenizer) }
        let whole = prefix + text
        return try encode(sentence.lowercases ? lowercased(whole) : whole, tokenizer)
    }

    private func encode(_ text: some Collection<UInt8>, _ tokenizer: Tokenizer) throws(Failure) -> Encoding {
        func encode(_ bytes: UnsafeBufferPointer<UInt8>) -> Result<Encoding, Failure> {
            do throws(Failure) {
                return .success(try tokenizer.encode(bytes, maximumTokens: textTokens, keepsOverflow: false))
            } catch {
                return .failure(error)
            }
        }
        let result = text.withContiguousStorageIfAvailable(encode) ?? Array(text).withUnsafeBufferPointer(encode)
        return try result.get()
    }

    /// Lower case as Python's `str.lower`; invalid UTF-8 is left for the tokenizer to name.
    private func lowercased(_ text: [UInt8]) -> [UInt8] {
        guard let string = String(validating: text, as: UTF8.self) else { return text }
        return Array(string.lowercased().utf8)
    }

    private func text(of prompt: Prompt) throws(Failure) -> String {
        switch prompt {
        case .text(let text): return text
        case .standard: return sentence.defaultPromptName.flatMap(sentence.prompt) ?? ""
        case .named(let name):
            if let text = sentence.prompt(name) { return text }
            throw Failure(
                .notFound, "the checkpoint has no prompt \(name.quoted); it has \(sentence.prompts.map(\.name))")
        }
    }
}
