/// A set of byte strings with a value each, walked byte by byte: the longest entry at a position of a text is found in
/// one forward pass, however long the text is.
///
/// Edges live in one open-addressing table keyed by (node, byte), so that memory is linear in the bytes put in.
struct ByteTrie: Sendable {
    /// The node at which every walk begins.
    static let root: Int32 = 0

    private var keys: [UInt64] = []
    private var targets: [Int32] = []
    private var mask = 0
    private var edges = 0
    /// Per node: the value of the entry that ends there, or -1.
    private var values: [Int32] = [-1]
    /// The edges of the root, which every walk uses first.
    private var rootEdges = [Int32](repeating: -1, count: 256)

    /// An empty trie.
    init() { grow(to: 64) }

    /// Whether nothing was inserted.
    var isEmpty: Bool { values.count == 1 && values[0] < 0 }

    @inline(__always)
    private static func slot(_ key: UInt64, _ mask: Int) -> Int {
        let product = key.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return Int(truncatingIfNeeded: product.high ^ product.low) & mask
    }

    private mutating func grow(to capacity: Int) {
        let (oldKeys, oldTargets) = (keys, targets)
        keys = [UInt64](repeating: .max, count: capacity)
        targets = [Int32](repeating: -1, count: capacity)
        mask = capacity - 1
        for (position, key) in oldKeys.enumerated() where key != .max {
            var slot = Self.slot(key, mask)
            while keys[slot] != .max { slot = (slot + 1) & mask }
            keys[slot] = key
            targets[slot] = oldTargets[position]
        }
    }

    /// The node that `byte` leads to from `node`, or -1.
    @inline(__always)
    func next(_ node: Int32, _ byte: UInt8) -> Int32 {
        if node == Self.root { return rootEdges[Int(byte)] }
        let key = UInt64(UInt32(bitPattern: node)) << 8 | UInt64(byte)
        var slot = Self.slot(key, mask)
        while keys[slot] != .max {
            if keys[slot] == key { return targets[slot] }
            slot = (slot + 1) & mask
        }
        return -1
    }

    /// The value of the entry that ends at `node`, or -1.
    @inline(__always)
    func value(_ node: Int32) -> Int32 { values[Int(node)] }

    /// Adds an entry; one that is there already gets the new value. `value` must not be negative.
    mutating func insert(_ entry: some Sequence<UInt8>, value: Int32) {
        var node = Self.root
        for byte in entry {
            let known = next(node, byte)
            if known >= 0 {
                node = known
                continue
            }
            let created = Int32(truncatingIfNeeded: values.count)
            values.append(-1)
            if node == Self.root {
                rootEdges[Int(byte)] = created
            } else {
                if (edges + 1) * 2 > keys.count { grow(to: keys.count * 2) }
                let key = UInt64(UInt32(bitPattern: node)) << 8 | UInt64(byte)
                var slot = Self.slot(key, mask)
                while keys[slot] != .max { slot = (slot + 1) & mask }
                keys[slot] = key
                targets[slot] = created
                edges += 1
            }
            node = created
        }
        values[Int(node)] = value
    }
}
