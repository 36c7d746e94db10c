import NestlingBasics

/// NFC, NFD, NFKC and NFKD (UAX #15), by the data of Unicode 9 as in the reference.
struct UnicodeNormalizer: Normalizer {
    let compatible: Bool
    let composed: Bool

    func normalize(_ text: inout AlignedText) throws(Failure) {
        guard text.bytes.contains(where: { $0 >= 0x80 }) else { return }
        var decomposition = Decomposition(compatible: compatible)
        var rewriter = TextRewriter(text)
        var composition = Composition()
        text.bytes.withUnsafeBufferPointer { bytes in
            if composed {
                decomposition.run(bytes) { scalar, change in
                    composition.add(scalar, change) { rewriter.put($0, change: $1) }
                }
                composition.finish { rewriter.put($0, change: $1) }
            } else {
                decomposition.run(bytes) { rewriter.put($0, change: $1) }
            }
        }
        text = rewriter.finish()
    }
}
