/// Guesses by what followed earlier.
enum PromptLookup {
    /// Up to `count` tokens that followed the latest earlier place at which the longest run of last tokens, up to `match`, stood.
    static func guess(_ history: [Int32], match: Int, count: Int) -> ArraySlice<Int32> {
        guard count > 0, history.count > 1 else { return [] }
        for length in stride(from: min(match, history.count - 1), through: 1, by: -1) {
            let end = history[(history.count - length)...]
            var start = history.count - length - 1
            while start >= 0 {
                if history[start..<start + length].elementsEqual(end) {
                    return history[start + length..<min(start + length + count, history.count)]
                }
                start -= 1
            }
        }
        return []
    }
}
