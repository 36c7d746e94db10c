import NestlingKernels

let allCodecs: [nk_codec] = [NK_CODEC_F32, NK_CODEC_BF16, NK_CODEC_I8, NK_CODEC_I4]

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

/// The range from the least to the greatest number, 0 included, becomes 253 steps around `zero`; ties to even.
func quantizedInRange(_ row: [Float]) -> (scale: Float, zero: Float, values: [Float]) {
    guard row.count <= 65536, row.contains(where: { abs($0) >= 0x1p-100 }), row.allSatisfy(\.isFinite) else {
        let (scale, values) = quantized(row)
        return (scale, 0, values)
    }
    let least = min(0, row.min() ?? 0), greatest = max(0, row.max() ?? 0)
    let half = greatest / 2 - least / 2
    let inverse = 126.5 / half
    let zero = -((greatest / 2 + least / 2) * inverse).rounded(.toNearestOrEven)
    return (half / 126.5, zero, row.map { ($0 * inverse).rounded(.toNearestOrEven) + zero })
}

/// What a codec makes of a row of the input.
func seenInput(_ codec: nk_codec, _ row: [Float]) -> [Double] {
    switch codec {
    case NK_CODEC_BF16: return row.map { Double(roundedToBFloat16($0)) }
    case NK_CODEC_I8, NK_CODEC_I4:
        let (scale, zero, values) = quantizedInRange(row)
        precondition(values.allSatisfy { abs($0) <= 127 })
        return values.map { Double($0 - zero) * Double(scale) }
    default: return row.map(Double.init)
    }
}

/// What a codec makes of the weights `[outputs, inputs]`, by output. How int4 chooses its scales has tests of its own; here
/// its weights are what unpacking gives.
func seenWeights(_ codec: nk_codec, _ weight: [Float], outputs: Int, inputs: Int, packed: Floats) -> [[Double]] {
    let back = Floats(outputs * inputs)
    if codec == NK_CODEC_I4 { nk_unpack(codec, packed.start, inputs, outputs, inputs, back.start) }
    return (0..<outputs).map { output in
        let row = [Float](weight[output * inputs..<(output + 1) * inputs])
        switch codec {
        case NK_CODEC_BF16: return row.map { Double(roundedToBFloat16($0)) }
        case NK_CODEC_I8:
            let (scale, values) = quantized(row)
            return values.map { Double($0) * Double(scale) }
        case NK_CODEC_I4: return (0..<inputs).map { Double(back[output * inputs + $0]) }
        default: return row.map(Double.init)
        }
    }
}
