/// Watches a text for strings that end it. What may be the beginning of one is held back until more is known.
struct StopStrings {
    private let strings: [[UInt8]]
    private var held: [UInt8] = []

    /// Ends a text before the first of `strings`, none of which is empty.
    init(_ strings: [String]) { self.strings = strings.map { Array($0.utf8) } }

    /// Takes the next text. Gives what is certain to stand before any of the strings, and whether one has come.
    mutating func append(_ text: String) -> (text: String, isEnd: Bool) {
        guard !strings.isEmpty else { return (text, false) }
        held.append(contentsOf: text.utf8)
        for start in held.indices where strings.contains(where: { held[start...].starts(with: $0) }) {
            defer { held = [] }
            return (String(decoding: held[..<start], as: UTF8.self), true)
        }
        // The longest end that is the beginning of a string.
        let start =
            held.indices.first { start in
                strings.contains { $0.count > held.count - start && $0.starts(with: held[start...]) }
            } ?? held.endIndex
        defer { held.removeFirst(start) }
        return (String(decoding: held[..<start], as: UTF8.self), false)
    }

    /// What was held back, when nothing more comes.
    mutating func finish() -> String {
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }
}
