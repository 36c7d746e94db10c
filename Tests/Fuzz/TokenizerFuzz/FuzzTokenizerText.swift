import NestlingBasics
import Glibc
import NestlingTokenizers

private func read(_ name: String) -> Tokenizer {
    guard let folder = getenv("NESTLING_FIXTURES"), let file = fopen("\(String(cString: folder))/\(name).json", "rb")
    else {
        fatalError("NESTLING_FIXTURES must name the folder of \(name).json")
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
    do {
        return try bytes.withUnsafeBytes { try Tokenizer(json: $0, name: name) }
    } catch {
        fatalError("\(error)")
    }
}

private let tokenizers = [
    "bert", "bert_cased", "charbpe", "gemma", "gpt2", "llama2", "llama3", "modernbert", "openai_gpt", "qwen", "roberta",
    "roberta_prefix", "t5", "wordlevel",
].map(read)

/// The input as a text for every pipeline: offsets must lie in it, and what is not UTF-8 must fail.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzTokenizerText(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let text = UnsafeBufferPointer(start: data, count: size)
    let isText = String(validating: text, as: UTF8.self) != nil
    for tokenizer in tokenizers {
        do throws(Failure) {
            let encoding = try tokenizer.encode(text)
            guard isText else { fatalError("text that is not UTF-8 was encoded") }
            for range in encoding.offsets where range.upperBound > size { fatalError("an offset past the end") }
            let decoded = try tokenizer.decode(encoding.ids)
            var stream = DecodeStream(tokenizer)
            var streamed = ""
            for id in encoding.ids { streamed += try stream.append(id) ?? "" }
            streamed += try stream.finish()
            guard decoded.utf8.count < 64 * (size + 64), streamed.utf8.count < 64 * (size + 64) else {
                fatalError("a text that grows without bounds")
            }
        } catch {
            guard !isText, error.kind == .invalidArgument else { fatalError("\(error)") }
        }
    }
    return 0
}
