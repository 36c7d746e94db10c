import NestlingBasics
import NestlingCheckpoints
import Glibc
import NestlingModels

/// Any bytes as a GGUF file: a failure, or a checkpoint whose files and tensors may all be read, and checked as a network.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzGGUF(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: data, count: size)
    func attempt(_ body: () throws(Failure) -> Void) {
        do throws(Failure) {
            try body()
        } catch {
            guard !error.message.isEmpty, !error.message.utf8.contains(0x0A) else {
                fatalError("a message on several lines")
            }
        }
    }
    attempt { () throws(Failure) in
        let source = try CheckpointPath.open(MemorySource(files: [("model.gguf", bytes)]))
        for name in ["tokenizer.json", "tokenizer.model", "tokenizer_config.json", "config.json", "other"] {
            attempt { () throws(Failure) in
                guard let file = try source.file(name) else { return }
                // What is written is as long as what is read, but for escapes and the framing of tokens.
                guard file.bytes.count < 64 * size + 4096 else { fatalError("\(name) has \(file.bytes.count) bytes") }
                if name.hasSuffix("json") { _ = try JSON.parse(file.bytes, name: name) }
            }
        }
        let checkpoint = try Checkpoint(source: source)
        var sum: UInt64 = 0
        for name in checkpoint.names {
            guard let tensor = checkpoint[name] else { fatalError("a name without its tensor") }
            for byte in tensor.bytes { sum &+= UInt64(byte) }
            guard tensor.type.byteCount(of: tensor.elementCount) == tensor.bytes.count else {
                fatalError("a tensor whose shape and bytes differ")
            }
            attempt { () throws(Failure) in _ = try tensor.plain() }
        }
        guard sum <= UInt64(size) * 512 else { fatalError("more bytes than the file has") }
        _ = try CheckpointCheck(source, values: true)
    }
    return 0
}
