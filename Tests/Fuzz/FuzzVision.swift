import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingImages
import NestlingModels

/// A tiny model of images, read once. The program runs where the repository begins.
private let network: Network = {
    do throws(Failure) {
        return try Network(
            loading: CheckpointDescription(DirectorySource(path: "Tests/Fixtures/vit/image-classification")),
            progress: nil)
    } catch {
        fatalError(error.message)
    }
}()

/// The input: how tokens are reduced, by how many, two sizes of pictures, whether they hold floats; settings up to the first NUL
/// byte, and what the pixels are filled with. Two pictures are prepared while they run, from pixels to scores.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzVision(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: data, count: size)
    guard size >= 8 else { return 0 }
    let end = bytes[8...].firstIndex(of: 0) ?? size
    let fill = Array(bytes[min(end + 1, size)...])
    let element: ImageView.Element = bytes[6] & 1 == 0 ? .unsigned8 : .float32
    let sizes = [
        ImageSize(height: Int(bytes[2]), width: Int(bytes[3])), ImageSize(height: Int(bytes[4]), width: Int(bytes[5])),
    ]
    do throws(Failure) {
        let json = try JSON.parse(UnsafeRawBufferPointer(rebasing: bytes[8..<end]), name: "preprocessor_config.json")
        let preparation = try ImagePreparation(
            JSONFields(json, name: "preprocessor_config.json"), modelType: "vit")
        var prepared: [(channels: Int, height: Int, width: Int)] = []
        for size in sizes {
            let result = try preparation.preparedSize(of: size)
            // What large settings ask for is legal, and slow.
            guard result.height * result.width <= 1 << 13 else { return 0 }
            prepared.append((3, result.height, result.width))
        }
        let batch = try Batch(sizes: prepared, for: network) { index, threads throws(Failure) in
            try picture(sizes[index], element, fill, preparation, threads)
        }
        let methods = Reducers.methods
        let method = Int(bytes[0]) % (methods.count + 1)
        let reducer: (any Reducer)? =
            method == methods.count
            ? nil : try Reducers.reducer(json: #"{"method":"\#(methods[method])","r":\#(bytes[1])}"#)
        for request in [
            Request.vectors(VectorOptions()), .states(layer: network.blocks.count, unmerged: true),
            .scores(.sequenceClassification, unmerged: false),
        ] {
            let shape = try ResultShape(batch, request, reducer: reducer, network)
            let count = try shape.elementCount()
            let output = UnsafeMutablePointer<Float>.allocate(capacity: max(1, count))
            defer { output.deallocate() }
            try Runner(network, sliceTokens: 64, threads: 1, memoryLimit: 64 << 20).run(
                batch, request, shape: shape, reducer: reducer, into: output, progress: nil)
            guard UnsafeBufferPointer(start: output, count: count).allSatisfy(\.isFinite) else {
                fatalError("a result that is no number")
            }
        }
    } catch {
        guard !error.message.isEmpty, !error.message.utf8.contains(0x0A), error.kind != .internal else {
            fatalError("a message on several lines, or a mistake of ours: \(error)")
        }
    }
    return 0
}

/// A picture of `size`, filled again and again with the same bytes.
private func picture(
    _ size: ImageSize, _ element: ImageView.Element, _ fill: [UInt8], _ preparation: ImagePreparation, _ threads: Int?
) throws(Failure) -> PreparedImage {
    let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: max(1, size.height * size.width * 3 * element.size), alignment: 1)
    defer { memory.deallocate() }
    for index in memory.indices { memory[index] = fill.isEmpty ? 0 : fill[index % fill.count] }
    guard let base = memory.baseAddress else { throw Failure(.invalidArgument, "no pixels") }
    let view = try ImageView(
        base: UnsafeRawPointer(base), element: element, width: size.width, height: size.height, channels: 3)
    return try preparation.prepare(view, threads: threads)
}
