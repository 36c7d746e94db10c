import Kernels

let allCodecs: [nk_codec] = [NK_CODEC_F32, NK_CODEC_BF16, NK_CODEC_I8]

/// To nearest, ties to even: the candidates are the two neighbours among numbers with eight bits.
func roundedToBFloat16(_ value: Float) -> Float {
    guard value.isFinite else { return value }
    let below = Float(bitPattern: value.bitPattern & 0xffff_0000)
    let above = Float(bitPattern: below.bitPattern &+ 0x1_0000)
    let toBelow = abs(Double(value) - Double(below))
    let toAbove = above.isFinite ? abs(Double(above) - Double(value)) : 0x1p120 - toBelow
    if toBelow == toAbove { return below.bitPattern >> 16 & 1 == 0 ? below : above }
    return toBelow < toAbove ? below : above
}

/// The greatest magnitude becomes 127; ties to even.
func quantized(_ row: [Float]) -> (scale: Float, values: [Float]) {
    let greatest = row.lazy.map(abs).max() ?? 0
    if row.contains(where: { !$0.isFinite }) { return (.nan, row.map { _ in 0 }) }
    if greatest < 0x1p-100 { return (0, row.map { _ in 0 }) }
    let inverse = 127 / greatest
    return (greatest / 127, row.map { ($0 * inverse).rounded(.toNearestOrEven) })
}

/// What a codec makes of a row of the input.
func seenInput(_ codec: nk_codec, _ row: [Float]) -> [Double] {
    switch codec {
    case NK_CODEC_BF16: row.map { Double(roundedToBFloat16($0)) }
    case NK_CODEC_I8:
        {
            let (scale, values) = quantized($0)
            return values.map { Double($0) * Double(scale) }
        }(row)
    default: row.map(Double.init)
    }
}

/// What a codec makes of the weights of one output.
func seenWeight(_ codec: nk_codec, _ row: [Float]) -> [Double] {
    switch codec {
    case NK_CODEC_BF16: row.map { Double(roundedToBFloat16($0)) }
    case NK_CODEC_I8:
        {
            let (scale, values) = quantized($0)
            return values.map { Double($0) * Double(scale) }
        }(row)
    default: row.map(Double.init)
    }
}
