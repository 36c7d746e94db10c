import NestlingBasics
import NestlingCheckpoints
import NestlingModels

/// A checkpoint made up in memory: JSON files, and float32 tensors by name.
public struct TinyCheckpoint: Sendable {
    /// A float32 tensor.
    public struct Values: Sendable {
        /// Its dimensions.
        public var shape: [Int]
        /// Its elements, row-major.
        public var elements: [Float]

        /// A tensor of `shape`.
        public init(shape: [Int], elements: [Float]) {
            self.shape = shape
            self.elements = elements
        }
    }

    /// The JSON files, by name.
    public var files: [String: String] = [:]
    /// The tensors, in order of name.
    public var tensors: [String: Values] = [:]

    /// An empty checkpoint.
    public init() {}

    /// The checkpoint in `directory` of the fixtures: `config.json`, `nestling.json` and its float32 tensors.
    public init(fixture directory: String) throws {
        let source = try DirectorySource(path: Fixtures.path(directory))
        for name in ["config.json", NestlingSettings.fileName] {
            if let file = try source.file(name) { files[name] = String(decoding: file.bytes, as: UTF8.self) }
        }
        let checkpoint = try Checkpoint(source: source, folder: "")
        for name in checkpoint.names {
            guard let tensor = checkpoint[name], tensor.type == .float32 else { continue }
            tensors[name] = Values(
                shape: tensor.shape,
                elements: (0..<tensor.elementCount).map {
                    tensor.bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)
                })
        }
    }

    /// Adds random tensors of these shapes, scaled like a trained model's; the same for the same seed.
    public mutating func addRandom(_ shapes: [(String, [Int])], seed: UInt64) {
        var generator = SeededGenerator(seed)
        for (name, shape) in shapes {
            let scale = shape.count == 2 ? 1 / Float(shape[1]).squareRoot() : 0.3
            let center: Float = name.hasSuffix("norm.weight") || name.hasSuffix("Norm.weight") ? 1 : 0
            let elements = (0..<shape.reduce(1, *)).map { _ in center + generator.normal(scale) }
            tensors[name] = Values(shape: shape, elements: elements)
        }
    }

    /// The bytes of `model.safetensors`.
    public var safetensors: [UInt8] {
        var header = JSONObject()
        var data: [UInt8] = []
        for (name, values) in tensors.sorted(by: { $0.key < $1.key }) {
            let begin = data.count
            values.elements.withUnsafeBytes { data.append(contentsOf: $0) }
            header[name] = [
                "dtype": "F32", "shape": .array(values.shape.map { .integer($0) }),
                "data_offsets": [.integer(begin), .integer(data.count)],
            ]
        }
        let text = Array(JSON.object(header).serialized().utf8)
        return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text + data
    }

    /// The files, as a source that owns their bytes.
    public var source: MemorySource {
        let owned = OwnedBytes(files.map { ($0.key, Array($0.value.utf8)) } + [("model.safetensors", safetensors)])
        return MemorySource(files: owned.files, owner: owned)
    }

    /// The network.
    public func network() throws -> Network {
        try Network(loading: CheckpointDescription(source), progress: nil)
    }
}

/// Bytes that live as long as this object.
private final class OwnedBytes: @unchecked Sendable {
    let files: [(name: String, bytes: UnsafeRawBufferPointer)]

    init(_ files: [(String, [UInt8])]) {
        self.files = files.map { name, bytes in
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
            copy.copyBytes(from: bytes)
            return (name, UnsafeRawBufferPointer(copy))
        }
    }

    deinit { for file in files { file.bytes.deallocate() } }
}
