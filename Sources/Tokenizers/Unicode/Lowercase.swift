/// Simple lowercase as Rust's `char::to_lowercase` has it, which is what the reference applies.
struct Lowercase: @unchecked Sendable {
    /// U+0130, the only code point whose lowercase is two: U+0069 U+0307.
    static let dottedCapitalI: UInt32 = 0x130

    // Made once per process and never freed or written again, hence safe to share.
    private let pageOf: UnsafeMutablePointer<UInt16>
    private let deltas: UnsafeMutablePointer<Int32>

    /// The table, made on first use.
    static let shared = Lowercase()

    private init() {
        var pages: [Int32] = [Int32](repeating: 0, count: 256)
        pageOf = .allocate(capacity: 0x1100)
        pageOf.initialize(repeating: 0, count: 0x1100)
        let runs = LowercaseRuns.all
        for position in stride(from: 0, to: runs.count - 3, by: 4) {
            let delta = Int32(bitPattern: runs[position + 3] &- runs[position])
            for scalar in stride(from: runs[position], through: runs[position + 1], by: Int(runs[position + 2])) {
                let page = Int(scalar >> 8)
                if pageOf[page] == 0 {
                    pageOf[page] = UInt16(pages.count / 256)
                    pages.append(contentsOf: repeatElement(0, count: 256))
                }
                pages[Int(pageOf[page]) << 8 | Int(scalar & 0xFF)] = delta
            }
        }
        deltas = .allocate(capacity: pages.count)
        deltas.initialize(from: pages, count: pages.count)
    }

    /// The lowercase of `scalar`, or itself; ``dottedCapitalI`` gives itself, the caller treats it.
    @inline(__always)
    subscript(scalar: UInt32) -> UInt32 {
        guard scalar < 0x110000 else { return scalar }
        let delta = deltas[Int(pageOf[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)]
        return UInt32(bitPattern: Int32(bitPattern: scalar) &+ delta)
    }
}
