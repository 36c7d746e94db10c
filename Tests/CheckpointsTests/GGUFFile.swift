/// Bytes of a GGUF file, put together piece by piece, as wrong as a test wants them.
struct GGUFFile {
    /// A value of the metadata: its type, and its bytes.
    enum Value {
        case uint32(UInt32)
        case float32(Float)
        case string(String)
        case bool(Bool)
        case strings([String])
        case numbers([Float])
        case sizes([UInt32])
        case raw(type: UInt32, [UInt8])

        var bytes: [UInt8] {
            switch self {
            case .uint32(let value): word(4) + word(value)
            case .float32(let value): word(6) + word(value.bitPattern)
            case .string(let text): word(8) + GGUFFile.text(text)
            case .bool(let value): word(7) + [value ? 1 : 0]
            case .strings(let texts): Self.array(8, texts.map(GGUFFile.text))
            case .numbers(let values): Self.array(6, values.map { word($0.bitPattern) })
            case .sizes(let values): Self.array(4, values.map(word))
            case .raw(let type, let bytes): word(type) + bytes
            }
        }

        private static func array(_ type: UInt32, _ elements: [[UInt8]]) -> [UInt8] {
            word(9) + word(type) + long(UInt64(elements.count)) + elements.flatMap { $0 }
        }
    }

    /// A tensor of the header; `nil` offsets: one after the other.
    struct Entry {
        var name: String
        var dimensions: [UInt64]
        var type: UInt32 = 0
        var offset: UInt64?
        var bytes: Int
    }

    var magic = Array("GGUF".utf8)
    var version: UInt32 = 3
    var values: [(String, Value)] = []
    var tensors: [Entry] = []
    /// What the header says of numbers; `nil`: the truth.
    var valueCount: UInt64?
    var tensorCount: UInt64?
    var alignment = 32

    /// A model of Llama's kind that is whole: two tokens, one layer, one head.
    static var llama: GGUFFile {
        var file = GGUFFile()
        file.values = [
            ("general.architecture", .string("llama")), ("llama.context_length", .uint32(16)),
            ("llama.embedding_length", .uint32(4)), ("llama.block_count", .uint32(1)),
            ("llama.feed_forward_length", .uint32(3)), ("llama.attention.head_count", .uint32(1)),
            ("llama.attention.layer_norm_rms_epsilon", .float32(1e-5)),
        ]
        file.add("token_embd.weight", 4, 2)
        file.add("output_norm.weight", 4)
        for name in ["attn_norm", "ffn_norm"] { file.add("blk.0.\(name).weight", 4) }
        for name in ["attn_q", "attn_k", "attn_v", "attn_output"] { file.add("blk.0.\(name).weight", 4, 4) }
        for name in ["ffn_gate", "ffn_up"] { file.add("blk.0.\(name).weight", 4, 3) }
        file.add("blk.0.ffn_down.weight", 3, 4)
        return file
    }

    /// Appends a tensor of F32; columns come first.
    mutating func add(_ name: String, _ dimensions: UInt64...) {
        tensors.append(Entry(name: name, dimensions: dimensions, bytes: Int(dimensions.reduce(4, *))))
    }

    /// The same with another value, or an additional one.
    func setting(_ key: String, _ value: Value) -> GGUFFile {
        var file = self
        file.values.removeAll { $0.0 == key }
        file.values.append((key, value))
        return file
    }

    /// The same without a value.
    func without(_ key: String) -> GGUFFile {
        var file = self
        file.values.removeAll { $0.0 == key }
        return file
    }

    /// The whole file.
    var bytes: [UInt8] {
        var result = header
        result += [UInt8](repeating: 0, count: -result.count & (alignment - 1))
        return result + [UInt8](repeating: 0, count: dataSize)
    }

    /// Everything before the data.
    var header: [UInt8] {
        var result = magic + word(version) + long(tensorCount ?? UInt64(tensors.count))
        result += long(valueCount ?? UInt64(values.count))
        for (key, value) in values { result += Self.text(key) + value.bytes }
        var end = 0
        for tensor in tensors {
            result += Self.text(tensor.name) + word(UInt32(tensor.dimensions.count))
            for dimension in tensor.dimensions { result += long(dimension) }
            result += word(tensor.type) + long(tensor.offset ?? UInt64(end))
            end += (tensor.bytes + alignment - 1) / alignment * alignment
        }
        return result
    }

    private var dataSize: Int { tensors.reduce(0) { $0 + ($1.bytes + alignment - 1) / alignment * alignment } }

    private static func text(_ text: String) -> [UInt8] { long(UInt64(text.utf8.count)) + Array(text.utf8) }
}

private func word(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
private func long(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
