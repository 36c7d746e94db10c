public import Basics
import Checkpoints
import Models
import Tokenizers

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
    /// - Throws: `.notFound` without a tokenizer or the named prompt, `.invalidArgument` for invalid UTF-8, naming text and byte.
    public func tokenize(
        _ texts: [[UInt8]], prompt: Prompt = .standard
    ) throws(Failure) -> (batch: TokenBatch, skippedTokens: Int) {
        let tokenizer = try requireTokenizer()
        let prefix = Array(try text(of: prompt).utf8)
        var batch = TokenBatch()
        for (index, text) in texts.enumerated() {
            do throws(Failure) {
                // Invalid UTF-8 is named by its place in the text, not in prompt and text.
                if !prefix.isEmpty, String(validating: text, as: UTF8.self) == nil { _ = try encode(text, tokenizer) }
                let encoding = try encode(prefix + text, tokenizer)
                batch.append(encoding.ids, typeIDs: encoding.typeIDs.contains { $0 != 0 } ? encoding.typeIDs : nil)
            } catch {
                throw Failure(error.kind, "text \(index): \(error.message)")
            }
        }
        guard !prefix.isEmpty, !network.weights.pipeline.includesPrompt else { return (batch, 0) }
        let encoding = try encode(prefix, tokenizer)
        let endsSpecial = encoding.specialTokensMask.last == 1
        return (batch, encoding.ids.count - (endsSpecial ? 1 : 0))
    }

    private func encode(_ text: [UInt8], _ tokenizer: Tokenizer) throws(Failure) -> Encoding {
        let text = sentence.lowercases ? lowercased(text) : text
        var result: Result<Encoding, Failure>?
        text.withUnsafeBufferPointer { bytes in
            do throws(Failure) {
                result = .success(try tokenizer.encode(bytes, maximumTokens: textTokens, keepsOverflow: false))
            } catch {
                result = .failure(error)
            }
        }
        guard let result else { throw Failure(.internal, "the text was not lent") }
        return try result.get()
    }

    /// Lower case as Python's `str.lower`; invalid UTF-8 is left for the tokenizer to name.
    private func lowercased(_ text: [UInt8]) -> [UInt8] {
        guard let string = String(validating: text, as: UTF8.self) else { return text }
        return Array(string.lowercased().utf8)
    }

    private func requireTokenizer() throws(Failure) -> Tokenizer {
        guard let tokenizer else {
            throw Failure(.notFound, "the checkpoint has no tokenizer (tokenizer.json or vocab.txt); pass token ids")
        }
        return tokenizer
    }

    private func text(of prompt: Prompt) throws(Failure) -> String {
        switch prompt {
        case .text(let text): return text
        case .standard: return sentence.defaultPromptName.flatMap(sentence.prompt) ?? ""
        case .named(let name):
            if let text = sentence.prompt(name) { return text }
            throw Failure(
                .notFound, "the checkpoint has no prompt \"\(name)\"; it has \(sentence.prompts.map(\.name))")
        }
    }
}
