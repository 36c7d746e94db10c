import NestlingBasics

extension GGUF {
    /// A tensor as the header describes it; its data may not be there.
    private struct Entry {
        let name: String
        let shape: [Int]
        let type: ElementType
        let elementCount: Int
        let byteCount: Int
        let offset: Int
    }

    /// Reads the descriptions of `count` tensors, the last part of the header, and finds their data behind it.
    static func tensors(
        _ reader: inout GGUFReader, _ file: FileBytes, count: Int, _ metadata: JSONFields
    ) throws(Failure) -> [Tensor] {
        let alignment = try metadata.integer("general.alignment", in: 1...(1 << 30), default: 32)
        guard alignment & (alignment - 1) == 0 else {
            throw metadata.failure("general.alignment", "is \(alignment); expected a power of 2")
        }
        var entries: [Entry] = []
        var names: Set<UTF8Key> = []
        for index in 0..<count {
            let entry = try entry(&reader, index)
            guard names.insert(UTF8Key(entry.name)).inserted else {
                throw Failure(.corrupt, "\(reader.name): tensor \(entry.name.quoted) is there twice")
            }
            guard entry.offset.isMultiple(of: alignment) else {
                throw Failure(
                    .corrupt,
                    "\(reader.name): tensor \(entry.name.quoted) is at offset \(entry.offset), no multiple of \(alignment)"
                )
            }
            entries.append(entry)
        }
        let place = "\(reader.name): the data"
        let start = try reader.position.added(to: alignment - 1, place) / alignment * alignment
        var tensors: [Tensor] = []
        var end = start
        var previous = ""
        for entry in entries.sorted(by: { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }) {
            let what = "\(reader.name): tensor \(entry.name.quoted)"
            let first = try start.added(to: entry.offset, what)
            let last = try first.added(to: entry.byteCount, what)
            guard last <= file.bytes.count else {
                throw Failure(.corrupt, "\(what) ends at byte \(last), but the file at \(file.bytes.count)")
            }
            guard first >= end else {
                throw Failure(
                    .corrupt, "\(what) begins at byte \(first), inside of \(previous.quoted), which ends at \(end)")
            }
            (end, previous) = (last, entry.name)
            tensors.append(
                Tensor(
                    name: entry.name, type: entry.type, shape: entry.shape, elementCount: entry.elementCount,
                    range: first..<last, file: file))
        }
        return tensors
    }

    private static func entry(_ reader: inout GGUFReader, _ index: Int) throws(Failure) -> Entry {
        let name = try reader.identifier("the name of tensor \(index)")
        let place = "\(reader.name): tensor \(name.quoted)"
        let rank = try reader.number(UInt32.self, "tensor \(name.quoted)")
        guard (1...4).contains(rank) else {
            throw Failure(.corrupt, "\(place) has \(rank) dimensions; expected 1 to 4")
        }
        // Columns come first.
        var shape: [Int] = []
        for _ in 0..<rank { shape.insert(try reader.size("a dimension of tensor \(name.quoted)"), at: 0) }
        let code = try reader.number(UInt32.self, "the type of tensor \(name.quoted)")
        let type = try type(code, place)
        let offset = try reader.size("the offset of tensor \(name.quoted)")
        let elementCount = try Safetensors.elementCount(shape, place)
        let columns = shape[shape.count - 1]
        guard let rowBytes = type.byteCount(of: columns) else {
            throw Failure(
                .corrupt, "\(place): rows of \(columns) numbers are no whole blocks of \(type.rawValue)")
        }
        let rows = columns == 0 ? 0 : elementCount / columns
        return Entry(
            name: name, shape: shape, type: type, elementCount: elementCount,
            byteCount: try rows.multiplied(by: rowBytes, place), offset: offset)
    }

    /// The element type that ggml counts as `code`. Source: `ggml_type` of ggml.h.
    private static func type(_ code: UInt32, _ place: String) throws(Failure) -> ElementType {
        switch code {
        case 0: return .float32
        case 1: return .float16
        case 2: return .q4_0
        case 3: return .q4_1
        case 6: return .q5_0
        case 7: return .q5_1
        case 8: return .q8_0
        case 10: return .q2_K
        case 11: return .q3_K
        case 12: return .q4_K
        case 13: return .q5_K
        case 14: return .q6_K
        case 20: return .iq4_nl
        case 23: return .iq4_xs
        case 24: return .int8
        case 25: return .int16
        case 26: return .int32
        case 27: return .int64
        case 28: return .float64
        case 30: return .bfloat16
        case 34: return .tq1_0
        case 35: return .tq2_0
        case 39: return .mxfp4
        default:
            let name = names[code].map { ", \($0)," } ?? ""
            throw Failure(
                .unsupported,
                "\(place) is of ggml's type \(code)\(name) which is not supported; supported are "
                    + ElementType.weights.map(\.rawValue).joined(separator: ", "))
        }
    }

    /// What people call types that are not supported.
    private static let names: [UInt32: String] = [
        9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S",
        29: "IQ1_M", 40: "NVFP4",
    ]
}
