import NestlingBasics

/// What the metadata of a GGUF file say of the network, in the words of transformers.
///
/// Source: convert_hf_to_gguf.py of ggml-org/llama.cpp, which wrote the metadata, read backwards; and what llama.cpp's loader
/// takes for granted.
struct GGUFModel {
    /// What llama.cpp calls the kinds of networks that are known here.
    enum Architecture: String, CaseIterable {
        case llama, qwen2, qwen3, gemma, gemma2, gemma3, gemma3n

        var isGemma: Bool { [.gemma, .gemma2, .gemma3, .gemma3n].contains(self) }
        /// Whether norms of transformers multiply by 1 and the weight; the file holds the sums.
        var addsOneToNorms: Bool { isGemma && self != .gemma3n }
        /// Whether blocks normalize what attention and MLP give.
        var hasOutputNorms: Bool { [.gemma2, .gemma3, .gemma3n].contains(self) }
    }

    let architecture: Architecture
    let contents: GGUF

    private let byName: [UTF8Key: Tensor]

    init(_ contents: GGUF) throws(Failure) {
        self.contents = contents
        let name = try contents.metadata.string("general.architecture")
        guard let architecture = Architecture(rawValue: name) else {
            throw Failure(
                .unsupported,
                "\(contents.file.name): general.architecture \(name.quoted) is not supported; supported are "
                    + Architecture.allCases.map(\.rawValue).joined(separator: ", "))
        }
        self.architecture = architecture
        byName = Dictionary(contents.tensors.map { (UTF8Key($0.name), $0) }) { first, _ in first }
    }

    /// The tensor that the file calls `name`.
    func tensor(_ name: String) -> Tensor? { byName[UTF8Key(name)] }

    // MARK: - Metadata

    var metadata: JSONFields { contents.metadata }

    /// The key of the architecture.
    func key(_ name: String) -> String { "\(architecture.rawValue).\(name)" }

    /// The size `name` of the architecture; a list, one for each layer, must say the same everywhere.
    func size(_ name: String) throws(Failure) -> Int? {
        let key = key(name)
        guard metadata[key]?.array != nil else { return try metadata.optionalInteger(key, in: 1...Int(Int32.max)) }
        let sizes = try metadata.integers(key, in: 1...Int(Int32.max))
        guard let first = sizes.first, sizes.allSatisfy({ $0 == first }) else {
            throw Failure(
                .unsupported, "\(metadata.name): \(key) differs from layer to layer, which is not supported")
        }
        return first
    }

    /// The size `name`, which must be there.
    func requiredSize(_ name: String) throws(Failure) -> Int {
        guard let size = try size(name) else { return try metadata.integer(key(name), in: 1...Int(Int32.max)) }
        return size
    }

    /// The number `name` of the architecture.
    func number(_ name: String) throws(Failure) -> Double? { try metadata.optionalNumber(key(name)) }

    /// Elements of a head.
    func headSize() throws(Failure) -> Int {
        let own = try requiredSize("embedding_length") / (try requiredSize("attention.head_count"))
        let size = try self.size("attention.key_length") ?? own
        for name in ["attention.value_length", "rope.dimension_count"] {
            if let other = try self.size(name), other != size {
                throw Failure(
                    .unsupported,
                    "\(metadata.name): \(key(name)) is \(other) and a head has \(size) elements: that is not supported")
            }
        }
        return size
    }
}
