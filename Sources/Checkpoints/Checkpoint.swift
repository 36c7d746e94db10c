public import NestlingBasics

/// A file of weights: its tensors, in the order in which they lie in it.
public struct WeightFile: Sendable {
    /// The file.
    public let file: FileBytes
    /// Its tensors, as the network takes them.
    public let tensors: [Tensor]
}

/// The named tensors of a checkpoint, be they in one safetensors file, in several with an index, or in a GGUF file.
///
/// Immutable; any thread may use it. Tensors keep their file's bytes alive.
public struct Checkpoint: Sendable {
    /// Where the files come from.
    public let source: any FileSource
    /// The folder of the source that was looked in; empty for the source itself.
    public let folder: String
    /// The files of weights, in the order in which the index first names them.
    public let files: [WeightFile]

    private let tensors: [UTF8Key: Tensor]

    /// Finds `model.safetensors`, or else `model.safetensors.index.json` and its shards, in `folder` of `source`.
    /// - Throws: `.notFound` if there is neither, `.unsupported` if there are only pickles, `.corrupt` if a file is
    ///   damaged.
    public init(source: any FileSource, folder: String = "") throws(Failure) {
        self.source = source
        self.folder = folder
        let single = join(folder, "model.safetensors")
        let index = join(folder, "model.safetensors.index.json")
        var tensors: [UTF8Key: Tensor] = [:]
        if let weights = try source.weights(in: folder) {
            for tensor in weights.tensors { tensors[UTF8Key(tensor.name)] = tensor }
            files = [weights]
        } else if let file = try source.file(single) {
            let contents = try Safetensors(file: file)
            for tensor in contents.tensors { tensors[UTF8Key(tensor.name)] = tensor }
            files = [WeightFile(file: file, tensors: contents.tensors)]
        } else if let fields = try source.fields(index) {
            files = try Self.shards(fields, source: source, folder: folder, into: &tensors)
        } else {
            throw Self.absence(source: source, folder: folder)
        }
        self.tensors = tensors
    }

    /// The names of all tensors, in the order of the files and of the data in them.
    public var names: [String] {
        files.flatMap { file in file.tensors.lazy.filter { self[$0.name]?.file === $0.file }.map(\.name) }
    }

    /// The number of tensors.
    public var count: Int { tensors.count }

    /// The tensor `name`, if there is one.
    public subscript(name: String) -> Tensor? { tensors[UTF8Key(name)] }

    /// The tensor `name`, which must have exactly this shape and one of these types; by default floating-point weights.
    /// - Throws: `.notFound` if it is missing, `.corrupt` for another shape, `.unsupported` for another type.
    public func tensor(
        _ name: String, shape: [Int], types: [ElementType] = ElementType.weights
    ) throws(Failure) -> Tensor {
        guard let tensor = self[name] else {
            throw Failure(
                .notFound, "\(place): tensor \(name.quoted) is missing; expected shape \(describe(shape))")
        }
        guard tensor.shape == shape else {
            throw Failure(
                .corrupt,
                "\(tensor.file.name): tensor \(name.quoted) has shape \(describe(tensor.shape)); "
                    + "expected \(describe(shape))"
            )
        }
        guard types.contains(tensor.type) else {
            let expected = types.filter { $0.block == nil }.map(\.rawValue)
            let list =
                expected.dropLast().joined(separator: ", ") + (expected.count > 1 ? " or " : "")
                + (expected.last ?? "none")
            throw Failure(
                .unsupported,
                "\(tensor.file.name): tensor \(name.quoted) has type \(tensor.type.rawValue); expected \(list)")
        }
        return tensor
    }

    private var place: String { files.count == 1 ? files[0].file.name : join(folder, "model.safetensors.index.json") }

    private static func shards(
        _ index: JSONFields, source: any FileSource, folder: String, into tensors: inout [UTF8Key: Tensor]
    ) throws(Failure) -> [WeightFile] {
        var files: [WeightFile] = []
        var contents: [UTF8Key: [UTF8Key: Tensor]] = [:]
        for (name, value) in try index.object("weight_map").object.members {
            guard let shard = value.string else {
                throw index.failure("weight_map", "of tensor \(name.quoted) is \(value.summary); expected a file name")
            }
            guard isContained(shard) else {
                throw index.failure(
                    "weight_map", "of tensor \(name.quoted) is \(shard.quoted), which is no name inside the directory")
            }
            if contents[UTF8Key(shard)] == nil {
                guard let file = try source.file(join(folder, shard)) else {
                    throw Failure(
                        .notFound,
                        "\(source.path): \(shard.quoted) is missing, which \(index.name) says holds \(name.quoted)")
                }
                let parsed = try Safetensors(file: file)
                var byName: [UTF8Key: Tensor] = [:]
                for tensor in parsed.tensors { byName[UTF8Key(tensor.name)] = tensor }
                contents[UTF8Key(shard)] = byName
                files.append(WeightFile(file: file, tensors: parsed.tensors))
            }
            guard let tensor = contents[UTF8Key(shard)]?[UTF8Key(name)] else {
                throw index.failure(
                    "weight_map", "puts tensor \(name.quoted) in \(shard.quoted), which does not hold it")
            }
            tensors[UTF8Key(name)] = tensor
        }
        return files
    }

    private static func absence(source: any FileSource, folder: String) -> Failure {
        let place = folder.isEmpty ? source.path : source.path + "/" + folder
        let pickles = ["pytorch_model.bin", "pytorch_model.bin.index.json"]
        if let pickle = pickles.first(where: { source.contains(join(folder, $0)) }) {
            return Failure(
                .unsupported,
                "\(place): there are only pickled weights (\(pickle)), which run code when they are read; "
                    + "convert them in Python: "
                    + "AutoModel.from_pretrained(path).save_pretrained(path, safe_serialization=True)")
        }
        return Failure(.notFound, "\(place): no weights: looked for model.safetensors and model.safetensors.index.json")
    }
}
