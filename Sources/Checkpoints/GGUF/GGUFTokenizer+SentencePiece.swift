import NestlingBasics

extension GGUFTokenizer {
    /// `tokenizer.model` of a BPE of SentencePiece, a message of protocol buffers; `nil` for others. Source:
    /// sentencepiece_model.proto of google/sentencepiece.
    func sentencePiece() throws(Failure) -> [UInt8]? {
        guard try model() == .sentencePiece else { return nil }
        let tokens = try tokens()
        let scores = try numbers("tokenizer.ggml.scores", count: tokens.count)
        let unknown = try id("unknown", count: tokens.count)
        let hasUnknown = tokens.contains { $0.kind == .unknown }
        var model = WireMessage()
        for (id, token) in tokens.enumerated() {
            var piece = WireMessage()
            piece.append(1, token.text)
            piece.append(2, Float(scores?[id]?.double ?? 0))
            let kind = !hasUnknown && id == unknown ? Kind.unknown : token.kind
            if kind != .normal { piece.append(3, kind.rawValue) }
            model.append(1, piece)
        }
        var trainer = WireMessage()
        trainer.append(3, 2)  // BPE
        trainer.append(35, tokens.contains { $0.kind == .byte } ? 1 : 0)
        let first = tokens.firstIndex { $0.kind == .unknown }
        for (field, id) in [
            (40, first ?? unknown), (41, try id("bos", count: tokens.count)), (42, try id("eos", count: tokens.count)),
            (43, try id("padding", count: tokens.count)),
        ] { trainer.append(field, id ?? -1) }
        model.append(2, trainer)
        var normalizer = WireMessage()
        "identity".utf8.withContiguousStorageIfAvailable { normalizer.append(1, UnsafeRawBufferPointer($0)) }
        let addsSpace = try metadata.bool("tokenizer.ggml.add_space_prefix", default: !architecture.isGemma)
        normalizer.append(3, addsSpace ? 1 : 0)
        normalizer.append(4, try metadata.bool("tokenizer.ggml.remove_extra_whitespaces", default: false) ? 1 : 0)
        normalizer.append(5, 1)
        model.append(3, normalizer)
        return model.bytes
    }
}

/// A message of protocol buffers, field after field.
private struct WireMessage {
    private(set) var bytes: [UInt8] = []

    private mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func append(_ field: Int, _ value: Int) {
        append(varint: UInt64(field) << 3)
        append(varint: UInt64(bitPattern: Int64(value)))
    }

    mutating func append(_ field: Int, _ value: Float) {
        append(varint: UInt64(field) << 3 | 5)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ field: Int, _ text: UnsafeRawBufferPointer) {
        append(varint: UInt64(field) << 3 | 2)
        append(varint: UInt64(text.count))
        bytes.append(contentsOf: text)
    }

    mutating func append(_ field: Int, _ message: WireMessage) {
        message.bytes.withUnsafeBytes { append(field, $0) }
    }
}
