extension Encoding {
    /// Makes ``offsets`` count characters (Unicode scalars) instead of bytes, also in what was cut off.
    ///
    /// - Parameters:
    ///   - text: The first text that was encoded, as UTF-8.
    ///   - pair: The second text, if there was one.
    public mutating func countOffsetsInCharacters(
        of text: UnsafeBufferPointer<UInt8>, pair: UnsafeBufferPointer<UInt8>? = nil
    ) {
        countCharacters([CharacterCounter(text), pair.map(CharacterCounter.init)])
    }

    private mutating func countCharacters(_ counters: [CharacterCounter?]) {
        for index in offsets.indices {
            let sequence = Int(sequenceIDs[index])
            guard sequence >= 0, sequence < counters.count, let counter = counters[sequence] else { continue }
            offsets[index] = counter.characters(of: offsets[index])
        }
        for index in overflowing.indices { overflowing[index].countCharacters(counters) }
    }
}
