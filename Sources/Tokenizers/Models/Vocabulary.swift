import NestlingBasics

/// Tokens and their ids, both ways, over one contiguous block of bytes.
///
/// Ids may have gaps and two tokens may share one (files in use have both). Memory is linear in what was added, whatever
/// the ids are.
struct Vocabulary: Sendable {
    private var blob: [UInt8] = []
    private var ends: [Int] = []
    private var ids: [Int32] = []
    private var table: [Int32] = [Int32](repeating: -1, count: 16)
    private var mask = 15
    /// Per id its entry, or -1; the ids past its end are in ``sparse``.
    private var dense: [Int32] = []
    private var sparse: [Int32: Int32] = [:]
    /// The entry of the empty token, or -1; it may come without an address.
    private var emptyToken: Int32 = -1

    /// An empty vocabulary.
    init() {}

    /// How many different tokens there are.
    var count: Int { ids.count }

    private func range(of entry: Int) -> Range<Int> { (entry == 0 ? 0 : ends[entry - 1])..<ends[entry] }

    private func entry(_ bytes: UnsafeBufferPointer<UInt8>) -> Int32 {
        guard let base = bytes.baseAddress else { return emptyToken }
        var slot = Int(truncatingIfNeeded: ByteHash.hash(bytes)) & mask
        while table[slot] >= 0 {
            let candidate = range(of: Int(table[slot]))
            if candidate.count == bytes.count {
                let isEqual = blob.withUnsafeBufferPointer { all in
                    all.baseAddress.map { ByteHash.isEqual($0 + candidate.lowerBound, base, bytes.count) } ?? true
                }
                if isEqual { return table[slot] }
            }
            slot = (slot + 1) & mask
        }
        return -1
    }

    /// Adds `token`; if it is there already its id is replaced. `id` must not be negative.
    mutating func add(_ token: UnsafeBufferPointer<UInt8>, id: Int32) {
        let known = entry(token)
        if known >= 0 {
            ids[Int(known)] = id
        } else {
            let created = Int32(truncatingIfNeeded: ids.count)
            blob.append(contentsOf: token)
            ends.append(blob.count)
            ids.append(id)
            if token.isEmpty { emptyToken = created }
            if ids.count * 2 > table.count { rehash(capacity: table.count * 2) } else { place(created, token) }
        }
        let entry = known >= 0 ? known : Int32(truncatingIfNeeded: ids.count - 1)
        if Int(id) < dense.count {
            dense[Int(id)] = entry
        } else if Int(id) < 4 * ids.count + 1024 {
            // Doubling keeps the moving of sparse ids cheap, in whatever order they come.
            let size = max(Int(id) + 1, 2 * dense.count)
            dense.append(contentsOf: repeatElement(-1, count: size - dense.count))
            for (moved, target) in sparse where Int(moved) < dense.count { dense[Int(moved)] = target }
            sparse = sparse.filter { Int($0.key) >= dense.count }
            dense[Int(id)] = entry
        } else {
            sparse[id] = entry
        }
    }

    /// Adds `token`; if it is there already its id is replaced. `id` must not be negative.
    mutating func add(_ token: String, id: Int32) {
        var token = token
        token.withUTF8 { add($0, id: id) }
    }

    private mutating func place(_ entry: Int32, _ bytes: UnsafeBufferPointer<UInt8>) {
        var slot = Int(truncatingIfNeeded: ByteHash.hash(bytes)) & mask
        while table[slot] >= 0 { slot = (slot + 1) & mask }
        table[slot] = entry
    }

    private mutating func rehash(capacity: Int) {
        table = [Int32](repeating: -1, count: capacity)
        mask = capacity - 1
        let bytes = blob
        bytes.withUnsafeBufferPointer { all in
            for entry in ids.indices {
                place(Int32(truncatingIfNeeded: entry), UnsafeBufferPointer(rebasing: all[range(of: entry)]))
            }
        }
    }

    /// The id of `token`, or nil.
    func id(of token: UnsafeBufferPointer<UInt8>) -> Int32? {
        let found = entry(token)
        return found >= 0 ? ids[Int(found)] : nil
    }

    /// The id of `token`, or nil.
    func id(of token: String) -> Int32? {
        var token = token
        return token.withUTF8 { id(of: $0) }
    }

    /// The bytes of the token with the id `id`, or nil.
    func token(of id: Int32) -> ArraySlice<UInt8>? {
        guard id >= 0 else { return nil }
        let entry = Int(id) < dense.count ? dense[Int(id)] : sparse[id] ?? -1
        return entry >= 0 ? blob[range(of: Int(entry))] : nil
    }

    /// Every token and its id, in the order in which they were added.
    var entries: some Sequence<(token: ArraySlice<UInt8>, id: Int32)> {
        ids.indices.lazy.map { (blob[range(of: $0)], ids[$0]) }
    }
}
