import NestlingBasics

/// A part of the text that a model sees alone, or an added token that was found in it.
struct Piece {
    /// First byte in the normalized text.
    var start: Int
    /// End in the normalized text.
    var end: Int
    /// The id of the added token that stands here, or -1 for text that goes to the model.
    var token: Int32 = -1

    /// Whether the piece still goes to the pre-tokenizers and the model.
    @inline(__always) var isText: Bool { token < 0 }
}

/// Normalized text, cut into pieces. Pieces are in order and do not overlap; text between them is gone.
struct PreTokenizedText {
    /// The text that the pieces point into.
    var text: AlignedText
    /// The pieces, none of them empty.
    var pieces: [Piece] = []

    /// Replaces each piece of text by the pieces that `split` appends; a piece that is an added token stays.
    ///
    /// `split` gets the whole text, the piece and the list to append to; empty pieces must not be appended.
    mutating func split(
        _ split: (UnsafeBufferPointer<UInt8>, Piece, inout [Piece]) throws(Failure) -> Void
    ) throws(Failure) {
        var result: [Piece] = []
        result.reserveCapacity(pieces.count)
        let old = pieces
        pieces = []
        let bytes = text.bytes
        var failure: Failure?
        bytes.withUnsafeBufferPointer { buffer in
            do throws(Failure) {
                for piece in old {
                    if piece.isText { try split(buffer, piece, &result) } else { result.append(piece) }
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        pieces = result
    }
}
