import NestlingBasics
import NestlingCheckpoints

/// What an independent implementation computed: a safetensors file beside a fixture.
public struct Golden {
    private let tensors: Safetensors

    /// Reads the golden file `name` of a directory under `Tests/Fixtures`.
    public init(_ directory: String, file name: String = "golden.safetensors") throws {
        let source = try DirectorySource(path: Fixtures.path(directory))
        guard let file = try source.file(name) else { throw Failure(.notFound, "\(directory): no \(name)") }
        tensors = try Safetensors(file: file)
    }

    /// Names of all tensors.
    public var names: [String] { tensors.tensors.map(\.name) }

    /// Shape of a tensor.
    public func shape(_ name: String) -> [Int]? { tensors.tensors.first { $0.name == name }?.shape }

    /// The elements of a float32 tensor.
    public func floats(_ name: String) -> [Float]? { elements(name) }

    /// The elements of an int32 tensor.
    public func integers(_ name: String) -> [Int32]? { elements(name) }

    /// The elements of a uint8 tensor.
    public func bytes(_ name: String) -> [UInt8]? { elements(name) }

    private func elements<Element>(_ name: String) -> [Element]? {
        guard let tensor = tensors.tensors.first(where: { $0.name == name }) else { return nil }
        return (0..<tensor.elementCount).map {
            tensor.bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self)
        }
    }
}

/// Where the fixtures are.
public enum Fixtures {
    /// The path of `name` under `Tests/Fixtures`.
    public static func path(_ name: String) -> String { root + "/" + name }

    private static let root: String = {
        let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return parts.dropLast(2).joined(separator: "/") + "/Fixtures"
    }()

    /// Every family x head checkpoint.
    public static let families: [String] = [
        "albert", "bert", "distilbert", "electra", "gemma", "gemma2", "gemma3", "gemma3n", "gpt2", "gpt_neox", "gte",
        "jina_embeddings_v3", "llama", "mistral", "modernbert", "mpnet", "nomic_bert", "opt", "phi3", "qwen2", "qwen3",
        "roberta", "xlm-roberta",
    ]

    /// Those that take images.
    public static let visionFamilies: [String] = ["vit", "deit", "dinov2", "dinov2_with_registers", "vit_mae", "swin"]

    /// Those of texts and images, with a tower for each.
    public static let towerFamilies: [String] = ["clip", "siglip"]
}

/// Comparing vectors.
public enum Agreement {
    /// `|a - b| / |b|`, in float64; infinite if the lengths differ or anything is not a number.
    public static func relativeError(_ a: some Collection<Float>, _ b: some Collection<Float>) -> Double {
        guard a.count == b.count else { return .infinity }
        var (difference, norm) = (0.0, 0.0)
        for (x, y) in zip(a, b) {
            difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
            norm += Double(y) * Double(y)
        }
        let error = (difference / max(norm, 1e-300)).squareRoot()
        return error.isFinite ? error : .infinity
    }

    /// The cosine of the angle between two vectors.
    public static func cosine(_ a: some Collection<Float>, _ b: some Collection<Float>) -> Double {
        var (product, left, right) = (0.0, 0.0, 0.0)
        for (x, y) in zip(a, b) {
            product += Double(x) * Double(y)
            left += Double(x) * Double(x)
            right += Double(y) * Double(y)
        }
        return product / (left * right).squareRoot()
    }
}
