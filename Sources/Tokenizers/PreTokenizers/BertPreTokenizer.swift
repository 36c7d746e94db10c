import NestlingBasics

/// Cuts at white space, which goes, and around each punctuation character, which stays as a piece of its own.
struct BertPreTokenizer: PreTokenizer {
    func preTokenize(_ text: inout PreTokenizedText) throws(Failure) {
        let classes = CharacterClasses.shared
        try text.split { (bytes, piece, result) throws(Failure) in
            var start = piece.start
            var position = piece.start
            while position < piece.end {
                let (scalar, length) = bytes.scalar(at: position)
                let kind = classes[scalar]
                if kind.isDisjoint(with: [.whiteSpace, .punctuation]) {
                    position += length
                    continue
                }
                if position > start { result.append(Piece(start: start, end: position)) }
                if kind.contains(.punctuation) {
                    result.append(Piece(start: position, end: position + length))
                }
                position += length
                start = position
            }
            if piece.end > start { result.append(Piece(start: start, end: piece.end)) }
        }
    }
}
