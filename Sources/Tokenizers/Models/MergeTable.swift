/// The merges of a BPE model: for a pair of token ids its rank and the id of the merged token.
struct MergeTable: Sendable {
    /// What a pair becomes. A rank of ``none`` says that the pair is not merged.
    struct Merge: Sendable {
        var rank: UInt32
        var id: Int32
        static let none = Merge(rank: .max, id: -1)
    }

    private var keys: [UInt64]
    private var merges: [Merge]
    private let mask: Int

    /// A table for `count` merges.
    init(count: Int) {
        var capacity = 16
        while capacity < count * 2 { capacity *= 2 }
        keys = [UInt64](repeating: .max, count: capacity)
        merges = [Merge](repeating: .none, count: capacity)
        mask = capacity - 1
    }

    @inline(__always)
    private func slot(_ key: UInt64) -> Int {
        let product = key.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return Int(truncatingIfNeeded: product.high ^ product.low) & mask
    }

    /// Says that `left` and `right` become `merge`; the last word on a pair counts. No more than the count given at first
    /// may be added.
    mutating func add(_ left: Int32, _ right: Int32, _ merge: Merge) {
        let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        var slot = slot(key)
        while keys[slot] != .max, keys[slot] != key { slot = (slot + 1) & mask }
        keys[slot] = key
        merges[slot] = merge
    }

    /// What `left` and `right` become.
    @inline(__always)
    subscript(left: Int32, right: Int32) -> Merge {
        let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        var slot = slot(key)
        while true {
            let found = keys[slot]
            if found == key { return merges[slot] }
            if found == .max { return .none }
            slot = (slot + 1) & mask
        }
    }
}
