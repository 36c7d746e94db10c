public import NestlingBasics

/// The tensors of one safetensors file.
///
/// The file is: eight bytes, the header's length N, little-endian; N bytes of JSON, name -> type, shape and offsets;
/// the data. Nothing in it is believed: tensors must lie back to back, fill the data exactly and be as large as their
/// shapes say.
public struct Safetensors: Sendable {
    /// All tensors, in the order in which they lie in the file.
    public let tensors: [Tensor]
    /// The strings under `__metadata__`, in order.
    public let metadata: [(key: String, value: String)]
    /// The file.
    public let file: FileBytes

    /// The longest header that is read, as in the reference implementation.
    public static let maximumHeaderSize = 100_000_000

    /// Reads the header of `file`; copies no data.
    /// - Throws: `.corrupt` if it contradicts itself, `.unsupported` for an unknown element type; both name file and
    ///   tensor.
    public init(file: FileBytes) throws(Failure) {
        let name = file.name
        let bytes = file.bytes
        guard bytes.count >= 8 else {
            throw Failure(
                .corrupt, "\(name): expected at least the 8 bytes of the header's length, found \(bytes.count)")
        }
        let declared = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard declared <= UInt64(Self.maximumHeaderSize) else {
            throw Failure(
                .corrupt,
                "\(name): the header's length is \(declared); expected at most \(Self.maximumHeaderSize) bytes")
        }
        let headerSize = Int(declared)
        guard headerSize <= bytes.count - 8 else {
            throw Failure(
                .corrupt, "\(name): the header's length is \(headerSize), but only \(bytes.count - 8) bytes follow")
        }
        let header = UnsafeRawBufferPointer(rebasing: bytes[8..<8 + headerSize])
        guard header.first == UInt8(ascii: "{") else {
            throw Failure(.corrupt, "\(name): expected the header to begin with '{'")
        }
        let json = try JSON.parse(header, name: "\(name): header", maximumDepth: 16)
        let fields = try JSONFields(json, name: "\(name): header")

        var metadata: [(key: String, value: String)] = []
        var tensors: [Tensor] = []
        for (key, value) in fields.object.members {
            if UTF8Key(key) == UTF8Key("__metadata__") {
                metadata = try Self.metadata(value, name: name)
            } else {
                tensors.append(try Self.tensor(key, value, dataStart: 8 + headerSize, file: file))
            }
        }
        tensors.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }

        var end = 8 + headerSize
        for tensor in tensors {
            guard tensor.range.lowerBound == end else {
                let trouble =
                    tensor.range.lowerBound < end ? "overlaps the tensor before it" : "leaves a hole before it"
                throw Failure(
                    .corrupt,
                    "\(name): tensor \(tensor.name.quoted) \(trouble): "
                        + "it begins at byte \(tensor.range.lowerBound), expected \(end)"
                )
            }
            end = tensor.range.upperBound
        }
        guard end == bytes.count else {
            throw Failure(.corrupt, "\(name): the tensors end at byte \(end), but the file at \(bytes.count)")
        }
        self.tensors = tensors
        self.metadata = metadata
        self.file = file
    }

    private static func metadata(_ value: JSON, name: String) throws(Failure) -> [(key: String, value: String)] {
        var result: [(key: String, value: String)] = []
        for (key, value) in try JSONFields(value, name: "\(name): __metadata__").object.members {
            guard let text = value.string else {
                throw Failure(.corrupt, "\(name): __metadata__: \(key.quoted) is \(value.summary); expected a string")
            }
            result.append((key, text))
        }
        return result
    }

    private static func tensor(
        _ name: String, _ value: JSON, dataStart: Int, file: FileBytes
    ) throws(Failure) -> Tensor {
        let place = "\(file.name): tensor \(name.quoted)"
        let fields = try JSONFields(value, name: place)
        let typeName = try fields.string("dtype")
        guard let type = ElementType(rawValue: typeName), type.block == nil else {
            throw Failure(.unsupported, "\(place): unknown element type \(typeName.quoted)")
        }
        let shape = try fields.integers("shape", in: 0...Int.max)
        let elementCount = try Self.elementCount(shape, place)
        guard let byteCount = type.byteCount(of: elementCount) else {
            throw Failure(.corrupt, "\(place): \(elementCount) elements of \(typeName) are no number of bytes")
        }
        let offsets = try fields.integers("data_offsets", in: 0...Int.max)
        let dataSize = file.bytes.count - dataStart
        guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= dataSize else {
            throw Failure(
                .corrupt,
                "\(place): data_offsets are \(describe(offsets)); "
                    + "expected a begin, and an end not before it, in 0...\(dataSize)"
            )
        }
        guard offsets[1] - offsets[0] == byteCount else {
            throw Failure(
                .corrupt,
                "\(place): \(typeName) \(describe(shape)) takes \(byteCount) bytes, "
                    + "but data_offsets hold \(offsets[1] - offsets[0])"
            )
        }
        return Tensor(
            name: name, type: type, shape: shape, elementCount: elementCount,
            range: dataStart + offsets[0]..<dataStart + offsets[1], file: file)
    }

    /// The product of `shape`. Zeros count as ones in the overflow check, so that any partial product fits, too.
    static func elementCount(_ shape: [Int], _ place: String) throws(Failure) -> Int {
        var product = 1
        for dimension in shape {
            product = try product.multiplied(by: max(dimension, 1), "\(place): shape \(describe(shape))")
        }
        return shape.contains(0) ? 0 : product
    }
}

/// A shape as messages show it, cut where it is absurdly long.
func describe(_ shape: [Int]) -> String {
    let shown = shape.prefix(8).map { String($0) }.joined(separator: ", ")
    return shape.count > 8 ? "[\(shown), ... \(shape.count) dimensions]" : "[\(shown)]"
}
