import CNestling
import Nestling

/// Reads an option struct that may come from an older or a newer header: what the caller's struct does not have is zero, and
/// what this library's does not have must be zero.
func options<Options>(
    _ pointer: UnsafePointer<Options>?, as type: Options.Type, _ name: String
) throws(NestlingError) -> Options {
    let known = MemoryLayout<Options>.size
    var size = 0
    if let pointer {
        // `struct_size` is the first field of every option struct.
        size = Int(UnsafeRawPointer(pointer).loadUnaligned(as: UInt32.self))
        guard size >= MemoryLayout<UInt32>.size, size <= 65536 else {
            throw .argument("\(name): struct_size \(size) cannot be meant; set it to sizeof(\(name))")
        }
        let tail = UnsafeRawPointer(pointer)
        for offset in stride(from: known, to: size, by: 1) where tail.load(fromByteOffset: offset, as: UInt8.self) != 0
        {
            throw NestlingError(
                .unsupported,
                "\(name): a field at byte \(offset) is set that this library (\(known) bytes) does not know")
        }
    }
    return withUnsafeTemporaryAllocation(byteCount: known, alignment: MemoryLayout<Options>.alignment) { memory in
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        if let pointer {
            memory.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: min(size, known)))
        }
        return memory.load(as: Options.self)
    }
}

/// A switch of an option struct: 0 is the default, 1 on, -1 off.
func flag(_ value: Int32, default standard: Bool, _ name: String) throws(NestlingError) -> Bool {
    switch value {
    case 0: return standard
    case 1: return true
    case -1: return false
    default: throw .argument("\(name) is \(value), expected -1, 0 or 1")
    }
}

/// A field that later versions may give a meaning.
func requireZero(reserved value: UInt32) throws(NestlingError) {
    if value != 0 { throw NestlingError(.unsupported, "reserved is \(value), expected 0") }
}

/// Integers that the caller counts.
func integers(
    _ pointer: UnsafePointer<Int32>?, _ count: Int, _ name: String
) throws(NestlingError) -> [Int]? {
    if count == 0 {
        guard pointer == nil else { throw .argument("\(name) is given, but its count is 0") }
        return nil
    }
    guard let pointer else { throw .argument("\(name) is NULL, but its count is \(UInt(bitPattern: count))") }
    guard (1...65536).contains(count) else {
        throw .argument("\(name): count \(UInt(bitPattern: count)) cannot be meant")
    }
    return (0..<count).map { Int(pointer[$0]) }
}

/// Files that the caller holds in memory.
func fileList(
    _ files: UnsafePointer<nestling_file>?, _ count: Int
) throws(NestlingError) -> [(name: String, bytes: UnsafeRawBufferPointer)] {
    let files = try require(files, "files")
    guard (1...65536).contains(count) else { throw .argument("count \(UInt(bitPattern: count)) cannot be meant") }
    var contents: [(name: String, bytes: UnsafeRawBufferPointer)] = []
    for index in 0..<count {
        let file = files[index]
        let name = try text(file.name, "files[\(index)].name")
        guard file.size >= 0, file.data != nil || file.size == 0 else {
            throw .argument("files[\(index)] (\(name)): data is NULL or size cannot be meant")
        }
        contents.append((name, UnsafeRawBufferPointer(start: file.data, count: file.size)))
    }
    return contents
}

/// What the three kinds of run have in common.
struct RunOptions {
    let values: nestling_run_options
    let reducer: (any Reducer)?
    let progress: ProgressHandler?

    init(_ pointer: UnsafePointer<nestling_run_options>?) throws(NestlingError) {
        values = try options(pointer, as: nestling_run_options.self, "nestling_run_options")
        try requireZero(reserved: values.reserved)
        if let json = try optionalText(values.reduction, "reduction") {
            reducer = try Reducers.reducer(json: json)
        } else {
            reducer = nil
        }
        progress = NestlingC.progress(values.progress, values.user_data)
    }

    func vectors() throws(NestlingError) -> VectorOptions {
        var vectors = VectorOptions()
        if values.pooling != UInt32(NESTLING_POOLING_DEFAULT) {
            guard let pooling = Pooling(rawValue: values.pooling) else {
                throw .argument("pooling \(values.pooling) is not a NESTLING_POOLING_...")
            }
            vectors.pooling = pooling
        }
        if values.normalize != 0 { vectors.normalizes = try flag(values.normalize, default: false, "normalize") }
        if values.output_dimensions != 0 { vectors.dimensions = Int(values.output_dimensions) }
        return vectors
    }

    /// Blocks to run for hidden states.
    func layer(of model: Model) throws(NestlingError) -> Int {
        switch values.layer {
        case 0: return model.layers
        case Int32(NESTLING_LAYER_EMBEDDINGS): return 0
        case let number:
            guard number > 0, Int(number) <= model.layers else {
                throw .argument("layer \(number) is not in 1 ... \(model.layers), 0 or NESTLING_LAYER_EMBEDDINGS")
            }
            return Int(number)
        }
    }

    func unmerged() throws(NestlingError) -> Bool { try flag(values.unmerge, default: false, "unmerge") }

    func head() throws(NestlingError) -> HeadKind? {
        guard values.head != UInt32(NESTLING_HEAD_DEFAULT) else { return nil }
        guard let kind = HeadKind(rawValue: values.head) else {
            throw .argument("head \(values.head) is not a NESTLING_HEAD_...")
        }
        return kind
    }
}
