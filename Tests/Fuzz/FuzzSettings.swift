import NestlingBasics
import NestlingCheckpoints
import Glibc

/// Names in the order in which the input's parts become files.
private let names = [
    "modules.json", "1_Pooling/config.json", "2_Dense/config.json", "config_sentence_transformers.json",
    "sentence_bert_config.json", "tokenizer_config.json", "config.json", "model.safetensors.index.json",
]

/// The input, cut at each NUL byte, as the configuration files of a checkpoint; and each part as JSON, which, once read
/// and written, must read as the same again.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzSettings(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: data, count: size)
    var files: [(name: String, bytes: UnsafeRawBufferPointer)] = []
    var start = 0
    for name in names {
        let end = bytes[start...].firstIndex(of: 0) ?? size
        if start < end { files.append((name, UnsafeRawBufferPointer(rebasing: bytes[start..<end]))) }
        start = min(end + 1, size)
    }
    for file in files {
        checked { () throws(Failure) in
            let json = try JSON.parse(file.bytes, name: file.name)
            for isPretty in [false, true] {
                let text = json.serialized(pretty: isPretty)
                let again: JSON
                do throws(Failure) {
                    again = try JSON.parse(text, name: "written")
                } catch {
                    fatalError("what was written cannot be read: \(error)")
                }
                guard again.serialized(pretty: isPretty) == text else { fatalError("written, read and written differ") }
            }
        }
    }
    let source = MemorySource(files: files)
    checked { () throws(Failure) in
        let settings = try SentenceTransformersSettings(source: source)
        for prompt in settings.prompts {
            guard settings.prompt(prompt.name) != nil else { fatalError("a prompt that is not found") }
        }
        guard settings.pooling.count <= 64 else { fatalError("too many poolings") }
    }
    checked { () throws(Failure) in _ = try Checkpoint(source: source) }
    return 0
}

/// Failures are fine if they are one line.
private func checked(_ body: () throws(Failure) -> Void) {
    do throws(Failure) {
        try body()
    } catch {
        guard !error.message.isEmpty, !error.message.utf8.contains(0x0A) else {
            fatalError("a message on several lines")
        }
    }
}
