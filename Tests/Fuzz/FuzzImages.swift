import NestlingBasics
import NestlingImages

/// The input: 32 bytes that describe a picture, settings up to the first NUL byte after them, and what the pixels are
/// filled with. Strides as they come must be judged without a trap; a picture in memory of its own is then prepared.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzImages(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: data, count: size)
    guard size >= 32 else { return 0 }
    func number(_ offset: Int) -> Int { bytes.loadUnaligned(fromByteOffset: offset, as: Int.self) }
    let element: ImageView.Element = bytes[0] & 1 == 0 ? .unsigned8 : .float32
    let layout: ImageView.Layout = bytes[0] & 2 == 0 ? .interleaved : .planar
    let channels = [1, 3, 4, Int(bytes[3])][Int(bytes[0] >> 2 & 3)]
    if let base = bytes.baseAddress {
        checked { () throws(Failure) in
            _ = try ImageView(
                base: base, element: element, width: number(8), height: number(16), channels: channels, layout: layout,
                rowStride: number(24), pixelStride: number(16), channelStride: number(4))
        }
    }
    let end = bytes[32...].firstIndex(of: 0) ?? size
    let pixels = UnsafeRawBufferPointer(rebasing: bytes[min(end + 1, size)...])
    let (width, height) = (Int(bytes[1]), Int(bytes[2]))
    checked { () throws(Failure) in
        let json = try JSON.parse(UnsafeRawBufferPointer(rebasing: bytes[32..<end]), name: "preprocessor_config.json")
        let fields = try JSONFields(json, name: "preprocessor_config.json")
        let preparation = try ImagePreparation(fields, modelType: "vit")
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(1, width * height * channels * element.size), alignment: 1)
        defer { memory.deallocate() }
        for index in memory.indices { memory[index] = pixels.isEmpty ? 0 : pixels[index % pixels.count] }
        guard let base = memory.baseAddress else { return }
        let view = try ImageView(
            base: UnsafeRawPointer(base), element: element, width: width, height: height, channels: channels,
            layout: layout)
        let size = try preparation.preparedSize(of: ImageSize(height: height, width: width))
        // What large settings ask for is legal, and slow.
        guard size.height * size.width <= 1 << 16 else { return }
        let values = try preparation.prepare(view).values
        guard values.allSatisfy(\.isFinite) else { fatalError("a prepared pixel that is no number") }
        guard values.count == 3 * size.height * size.width else { fatalError("another size than was foretold") }
    }
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
