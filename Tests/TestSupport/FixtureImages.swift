import NestlingBasics
public import NestlingBlocks
public import NestlingImages
public import NestlingModels

/// The images that every golden of a vision family is made for, of one size each.
public enum FixtureImages {
    /// All of them, in order.
    public static func load() throws -> [PreparedImage] {
        try load(Golden("vision", file: "pixels.safetensors"), prefix: "", count: 4)
    }

    /// The tensors `prefix0`, `prefix1`... of a file.
    public static func load(_ file: Golden, prefix: String, count: Int) throws -> [PreparedImage] {
        try (0..<count).map { index in
            let key = "\(prefix)\(index)"
            guard let values = file.floats(key), let shape = file.shape(key), shape.count == 3 else {
                throw Failure(.notFound, "image \(index) is not there")
            }
            let image = try PreparedImage(channels: shape[0], height: shape[1], width: shape[2])
            for (place, value) in values.enumerated() { image.pointer[place] = value }
            return image
        }
    }
}

extension Runner {
    /// Runs images in one batch and returns one array for each of them.
    public func run(
        _ images: [PreparedImage], _ request: Request, reducer: (any Reducer)? = nil
    ) throws -> [[Float]] {
        let batch = try Batch(images, for: network)
        let shape = try ResultShape(batch, request, reducer: reducer, network)
        var result = [Float](repeating: .nan, count: try shape.elementCount())
        try result.withUnsafeMutableBufferPointer { result in
            guard let base = result.baseAddress else { return }
            try run(batch, request, shape: shape, reducer: reducer, into: base, progress: nil)
        }
        return images.indices.map {
            Array(result[shape.offsets[$0] * shape.columns..<shape.offsets[$0 + 1] * shape.columns])
        }
    }
}
