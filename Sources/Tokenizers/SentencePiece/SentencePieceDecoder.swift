import NestlingBasics

/// Turns pieces back into text as SentencePiece does: `▁` is a space, those before the first text go, bytes become the
/// characters they spell, control pieces nothing.
/// Source: `Decode` in `sentencepiece_processor.cc` of google/sentencepiece.
struct SentencePieceDecoder: Decoder {
    private let pieces: SentencePieces
    private let unknownSurface: [UInt8]
    private let removesExtraSpaces: Bool
    private let dropsSpaces: Bool
    private let denormalizer: SentencePieceNormalizer?
    private static let mark: [UInt8] = [0xE2, 0x96, 0x81]

    init(_ file: SentencePieceFile, _ pieces: SentencePieces) throws(Failure) {
        self.pieces = pieces
        unknownSurface = file.unknownSurface
        removesExtraSpaces = file.normalization.removesExtraSpaces
        dropsSpaces = file.normalization.addsDummyPrefix || removesExtraSpaces
        denormalizer =
            file.denormalization.charsmap.isEmpty
            ? nil
            : try SentencePieceNormalizer(
                file.denormalization, kept: ByteTrie(), spacesAreSuffixes: false,
                path: "\(file.name): denormalizer_spec")
    }

    func decode(_ tokens: [[UInt8]], limit: Int) throws(Failure) -> [[UInt8]] {
        var text: [UInt8] = []
        var run: [UInt8] = []
        var mayDrop = true
        var hasDropped = false
        for token in tokens {
            let id = token.withUnsafeBufferPointer { pieces.vocabulary.id(of: $0) }
            let kind = id.map { pieces.kinds[Int($0)] } ?? .userDefined
            if kind == .byte, let byte = ByteFallbackDecoder.byte(token) {
                run.append(byte)
                continue
            }
            Self.finish(&run, &text)
            if hasDropped || !text.isEmpty { mayDrop = false }
            hasDropped = false
            switch kind {
            case .control: continue
            case .unknown: text.append(contentsOf: unknownSurface)
            case .normal, .userDefined, .unused, .byte:
                var piece = token[...]
                if mayDrop, dropsSpaces, piece.starts(with: Self.mark) {
                    piece = piece.dropFirst(Self.mark.count)
                    hasDropped = !removesExtraSpaces
                }
                var rest = Array(piece)
                rest.replaceAll(Self.mark, with: [0x20])
                text.append(contentsOf: rest)
            }
        }
        Self.finish(&run, &text)
        if let denormalizer {
            text = Array(UTF8Text.string(text).utf8)
            var aligned = AlignedText(text, origin: 0, limit: limit)
            try denormalizer.normalize(&aligned)
            guard !aligned.isTooLong else {
                throw Failure(
                    .outOfMemory,
                    "the denormalizer makes more than \(limit) bytes of these tokens, which is the most it may"
                )
            }
            text = aligned.bytes
        }
        return [text]
    }

    /// Appends the characters that the bytes of `run` spell; a byte that belongs to none becomes U+FFFD.
    private static func finish(_ run: inout [UInt8], _ text: inout [UInt8]) {
        run.withUnsafeBufferPointer { bytes in
            var position = 0
            while position < bytes.count {
                let length = min(UTF8Text.length(lead: bytes[position]), bytes.count - position)
                let character = UnsafeBufferPointer(rebasing: bytes[position..<position + length])
                if UTF8Text.firstInvalidByte(character) == nil {
                    text.append(contentsOf: character)
                    position += length
                } else {
                    text.append(contentsOf: [0xEF, 0xBF, 0xBD])
                    position += 1
                }
            }
        }
        run.removeAll(keepingCapacity: true)
    }
}
