public import NestlingKernels

/// How the weights of a packed matrix are stored, and in which arithmetic they are multiplied. Sums are float32 in the end.
///
/// All are panels of 32 outputs, in which one input follows the other with its weights to all of them: a prefix of the outputs is
/// fewer panels and a prefix of the inputs a shorter run inside each, in every codec. Sums of weights follow behind all panels
/// where products need them.
public enum Codec: String, Sendable, CaseIterable {
    /// IEEE 754 single precision; products and sums in it.
    case float32
    /// The upper half of a float32, rounded to nearest even; inputs are rounded likewise.
    case bfloat16
    /// 8 bits with a scale for each output; inputs get 8 bits with a scale and a zero for each row while they are multiplied.
    /// Sums of products are exact.
    case int8
    /// 4 bits, the number of one of 16 values, with a scale for each output and group of 32 inputs; inputs as with ``int8``.
    case int4

    /// The same codec, as the kernels name it.
    public var kernel: nk_codec {
        switch self {
        case .float32: NK_CODEC_F32
        case .bfloat16: NK_CODEC_BF16
        case .int8: NK_CODEC_I8
        case .int4: NK_CODEC_I4
        }
    }

    /// Bytes of a panel of 32 outputs over so many inputs.
    public func panelBytes(inputs: Int) -> Int { nk_panel_bytes(kernel, inputs) }

    /// Bytes of a packed matrix with at most `Int32.max` outputs and inputs; at most `Int.max`.
    public func packedBytes(outputs: Int, inputs: Int) -> Int {
        Int(clamping: UInt(bitPattern: nk_packed_bytes(kernel, outputs, inputs)))
    }

    /// Bytes that a product reads for each weight, scales included, of rows as long as those of large models.
    public var bytesPerWeight: Double {
        let inputs = 4096
        return Double(panelBytes(inputs: inputs)) / Double(inputs * Int(NK_PANEL))
    }

    /// The least number of inputs, at least `inputs`, to which a panel of `packedInputs` can be cut so that products with the
    /// first `inputs` keep their bits.
    public func cuttableInputs(_ inputs: Int, of packedInputs: Int) -> Int {
        switch self {
        case .float32, .bfloat16: return inputs
        case .int8, .int4:
            let step = Int(NK_SUM_INPUTS)
            return min((inputs + step - 1) / step * step, packedInputs)
        }
    }

    /// Panels of so many outputs.
    public static func panels(outputs: Int) -> Int { (outputs + Int(NK_PANEL) - 1) / Int(NK_PANEL) }
}
