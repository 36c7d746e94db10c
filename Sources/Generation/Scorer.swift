public import NestlingBasics
import NestlingBlocks
public import NestlingModels

/// How probable given texts are.
public enum Scorer {
    /// The natural logarithm of the probability of every token of `sequences` but the first, given those before it.
    ///
    /// Tokens are run in slices of `sliceTokens`, sequences together as far as they fit.
    ///
    /// - Throws: `.invalidArgument` for an empty sequence or one longer than the context; `.corrupt` if a score is not a number.
    public static func logProbabilities(
        _ sequences: [[Int32]], by decoder: Decoder, sliceTokens: Int = 512, progress: ProgressHandler? = nil
    ) throws(Failure) -> [[Double]] {
        var results = sequences.map { [Double](repeating: 0, count: max(0, $0.count - 1)) }
        if let empty = sequences.firstIndex(where: \.isEmpty) {
            throw Failure(.invalidArgument, "sequence \(empty) has no tokens")
        }
        // Scores of a slice take at most 64 MiB, or those of 16 tokens.
        let rows = max(min(sliceTokens, (16 << 20) / max(1, decoder.vocabularySize)), 16)
        var scores = [Float](repeating: 0, count: try rows.multiplied(by: decoder.vocabularySize, "scores"))
        var remembered: [Int: CachedSequence] = [:]
        var position = (sequence: 0, token: 0)
        while position.sequence < sequences.count {
            try progress?("score", position.sequence, sequences.count)
            var parts: [Decoder.Part] = []
            var places: [(sequence: Int, first: Int)] = []
            var left = rows
            while left > 0, position.sequence < sequences.count {
                let tokens = sequences[position.sequence]
                // The last token predicts nothing that is asked for.
                let end = min(tokens.count - 1, position.token + left)
                if end > position.token {
                    let sequence = remembered[position.sequence] ?? decoder.makeSequence(plannedTokens: tokens.count)
                    remembered[position.sequence] = sequence
                    parts.append(Decoder.Part(sequence, tokens[position.token..<end], scored: end - position.token))
                    places.append((position.sequence, position.token))
                    left -= end - position.token
                }
                position.token = end
                if end == tokens.count - 1 { position = (position.sequence + 1, 0) }
            }
            let read = parts
            try scores.withUnsafeMutableBufferPointer { scores throws(Failure) in
                guard let base = scores.baseAddress else { return }
                try decoder.step(read, into: base)
            }
            var row = 0
            for (part, place) in zip(parts, places) {
                for offset in 0..<part.tokens.count {
                    let values = scores[row * decoder.vocabularySize..<(row + 1) * decoder.vocabularySize]
                    let target = sequences[place.sequence][place.first + offset + 1]
                    let logProbability = values.withUnsafeBufferPointer { values in
                        Double(values[Int(target)]) - LogProbabilities.logarithmOfSum(values)
                    }
                    guard !logProbability.isNaN else {
                        throw Failure(
                            .corrupt,
                            "the model's scores after token \(place.first + offset) of sequence \(place.sequence) are not numbers"
                        )
                    }
                    results[place.sequence][place.first + offset] = logProbability
                    row += 1
                }
            }
            // Sequences that are done are not needed any more.
            remembered = remembered.filter { $0.key >= position.sequence }
        }
        try progress?("score", sequences.count, sequences.count)
        return results
    }
}
