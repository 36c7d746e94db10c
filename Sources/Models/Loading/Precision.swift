public import NestlingTensors

/// In how many bits the weights of an ordinary checkpoint are kept: which codec each matrix gets.
///
/// Nearly all weights are in the linear layers of blocks, embedding tables and vocabulary heads. Norms, biases, classifiers and
/// what follows pooling stay float32: they cost nothing, and errors in them reach the result unattenuated.
public struct Precision: Sendable, Equatable {
    /// What a linear layer is for.
    public enum Role: Sendable {
        /// Part of a block, or the embedding's projection.
        case block
        /// Makes the values of attention in a block.
        case value
        /// Makes rows of pixels, or vectors of rows.
        case exact
        /// Part of a head.
        case head

        /// The role of the layer under `key` in a part of this role.
        public func ofLayer(_ key: some StringProtocol) -> Role {
            guard self == .block else { return self }
            return key == "value" ? .value : key == "patches" ? .exact : self
        }
    }

    /// The codec of the blocks' linear layers.
    public let codec: Codec

    /// Keeps the blocks' linear layers in `codec`.
    public init(_ codec: Codec) { self.codec = codec }

    /// The codec of values and vocabularies: 8 bits where blocks have 4.
    public var finerCodec: Codec { codec == .int4 ? .int8 : codec }

    /// The codec of a layer. Where blocks have 4 bits, values have 8, which are few and pass errors on unattenuated (in MiniLM
    /// a twelfth of the weights makes a quarter of the error; llama.cpp's mixtures, Q4_K_M and its like, spend bits on them
    /// too). What makes rows of pixels stays float32: it is a hundredth of the network, and its errors go through all of it.
    /// Of heads only vocabularies get less than float32, and 8 bits where blocks have 4: their scores are the result.
    public func codec(of node: LinearNode, _ role: Role) -> Codec {
        switch role {
        case .block: codec
        case .value: finerCodec
        case .exact: .float32
        case .head: node.rows < 1024 ? .float32 : finerCodec
        }
    }

    /// The type that an embedding table is converted to; `nil`: it is used where it lies. Rows are read one at a time, so
    /// fewer than 16 bits would save no time.
    public func tableType(of matrix: StoredMatrix) -> StoredType? {
        codec != .float32 && (matrix.type == .float32 || !matrix.type.isPlain) ? .bfloat16 : nil
    }
}
