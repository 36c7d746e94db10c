import NestlingBasics
import NestlingCheckpoints
import Glibc

/// Any bytes as a safetensors file: a failure, or tensors whose every byte may be read.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzSafetensors(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: data, count: size)
    do throws(Failure) {
        let checkpoint = try Checkpoint(source: MemorySource(files: [("model.safetensors", bytes)]))
        var sum: UInt64 = 0
        var byteCount = 0
        for name in checkpoint.names {
            guard let tensor = checkpoint[name] else { fatalError("a name without its tensor") }
            for byte in tensor.bytes { sum &+= UInt64(byte) }
            byteCount += tensor.bytes.count
            guard tensor.type.byteCount(of: tensor.elementCount) == tensor.bytes.count else {
                fatalError("a tensor whose shape and bytes differ")
            }
            _ = try? checkpoint.tensor(name, shape: tensor.shape)
            tensor.discardPages()
        }
        guard byteCount <= size, sum <= UInt64(size) * 255 else { fatalError("more bytes than the file has") }
    } catch {
        guard !error.message.isEmpty, !error.message.utf8.contains(0x0A) else {
            fatalError("a message on several lines")
        }
    }
    return 0
}
