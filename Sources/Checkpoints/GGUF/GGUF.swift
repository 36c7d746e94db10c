public import NestlingBasics

/// A GGUF file, the form in which llama.cpp keeps models: metadata and tensors in one file.
///
/// The file is: `GGUF`, the version, the numbers of tensors and of metadata; metadata as key, type, value; for each tensor its
/// name, dimensions (columns first), type and offset; the data, each tensor at a multiple of `general.alignment`. Source:
/// docs/gguf.md of ggml-org/ggml. Nothing in it is believed: what is read is inside the file, and memory is taken for what is
/// there, not for what is announced.
public struct GGUF: Sendable {
    /// The file.
    public let file: FileBytes
    /// What the file says of the model: all values but long arrays and arrays of arrays.
    let metadata: JSONFields
    /// The keys of all metadata, in the order of the file.
    let keys: [String]
    /// All tensors, in the order in which they lie in the file.
    public let tensors: [Tensor]

    private let arrays: [UTF8Key: GGUFArray]

    /// Longer arrays are only found by ``array(_:)``.
    private static let longestValue = 4096

    /// Reads the header of `file`; copies no data.
    /// - Throws: `.corrupt` if it contradicts itself, `.unsupported` for other versions, parts of split models and element types
    ///   that are not known; all name the file and the key or tensor.
    public init(file: FileBytes) throws(Failure) {
        var reader = GGUFReader(file)
        let name = file.name
        guard try reader.number(UInt32.self, "the magic number") == 0x4655_4747 else {
            throw Failure(.corrupt, "\(name): is no GGUF file: it does not begin with GGUF")
        }
        let version = try reader.number(UInt32.self, "the version")
        guard (2...3).contains(version) else {
            let isBigEndian = (2...3).contains(version.byteSwapped)
            throw Failure(
                .unsupported,
                isBigEndian
                    ? "\(name): is big-endian; only little-endian GGUF files can be read"
                    : "\(name): has version \(version) of GGUF; versions 2 and 3 can be read")
        }
        let tensorCount = try reader.size("the number of tensors")
        let valueCount = try reader.size("the number of metadata")
        var object = JSONObject()
        var arrays: [UTF8Key: GGUFArray] = [:]
        var keys: [String] = []
        for index in 0..<valueCount {
            let key = try reader.identifier("metadata key \(index)")
            guard !object.contains(key), arrays[UTF8Key(key)] == nil else {
                throw Failure(.corrupt, "\(name): metadata \(key.quoted) is there twice")
            }
            keys.append(key)
            let type = try Self.type(&reader, "metadata \(key.quoted)")
            if type == .array {
                let array = try Self.array(&reader, file, key, depth: 0)
                arrays[UTF8Key(key)] = array
                if let array, array.count <= Self.longestValue, array.type != .string {
                    object[key] = .array((0..<array.count).compactMap { array[$0] })
                }
            } else {
                object[key] = try Self.value(&reader, file, type, key)
            }
        }
        metadata = JSONFields(object, name: name)
        self.arrays = arrays
        self.keys = keys
        self.file = file
        if let count = try metadata.optionalInteger("split.count", in: 0...Int.max), count > 1 {
            throw Failure(
                .unsupported,
                "\(name): is one of \(count) parts (split.count); join them first: llama-gguf-split --merge")
        }
        tensors = try Self.tensors(&reader, file, count: tensorCount, metadata)
    }

    /// The array `key` of the metadata, however long.
    func array(_ key: String) -> GGUFArray? { arrays[UTF8Key(key)] }

    private static func type(_ reader: inout GGUFReader, _ what: String) throws(Failure) -> GGUFValueType {
        let number = try reader.number(UInt32.self, "the type of \(what)")
        guard let type = GGUFValueType(rawValue: number) else {
            throw Failure(.corrupt, "\(reader.name): \(what) is of type \(number), which GGUF does not have")
        }
        return type
    }

    private static func value(
        _ reader: inout GGUFReader, _ file: FileBytes, _ type: GGUFValueType, _ key: String
    ) throws(Failure) -> JSON {
        let what = "metadata \(key.quoted)"
        guard let size = type.size else {
            return .string(String(decoding: file.bytes[try reader.text(what)], as: UTF8.self))
        }
        let range = try reader.skip(size, what)
        return type.scalar(file.bytes, range.lowerBound) ?? .null
    }

    /// Passes over an array; `nil` for arrays of arrays.
    private static func array(
        _ reader: inout GGUFReader, _ file: FileBytes, _ key: String, depth: Int
    ) throws(Failure) -> GGUFArray? {
        let what = "metadata \(key.quoted)"
        guard depth < 8 else { throw Failure(.unsupported, "\(reader.name): \(what) is more than 8 arrays deep") }
        let type = try type(&reader, "the elements of \(what)")
        let count = try reader.size("the length of \(what)")
        let start = reader.position
        if let size = type.size {
            try reader.skip(try count.multiplied(by: size, "\(reader.name): the length of \(what)"), what)
        } else if type == .string {
            for index in 0..<count { _ = try reader.text("\(what)[\(index)]") }
        } else {
            for _ in 0..<count { _ = try array(&reader, file, key, depth: depth + 1) }
            return nil
        }
        return GGUFArray(type: type, count: count, file: file, start: start)
    }
}
