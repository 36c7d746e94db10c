/// The symbols of one word while a BPE model merges them: the pair of the lowest rank first, of equal ranks the leftmost.
///
/// Short words are searched again after every merge, long ones keep their pairs in a heap: O(n log n) time and linear
/// memory, however long the word is.
struct MergeWorkspace {
    private(set) var ids: [Int32] = []
    private(set) var lengths: [Int32] = []
    private var ranks: [MergeTable.Merge] = []
    /// How many symbols may be added to a word; what is past that is left out.
    let limit: Int
    /// Whether symbols were left out.
    private(set) var isTooLong = false
    private static let longestSearched = 48

    /// A workspace for words of up to `limit` symbols.
    init(limit: Int) { self.limit = limit }

    /// Forgets the last word.
    mutating func removeAll() {
        ids.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
    }

    /// Adds a symbol that stands for `length` bytes.
    @inline(__always)
    mutating func append(_ id: Int32, length: Int) {
        guard ids.count < limit else {
            isTooLong = true
            return
        }
        ids.append(id)
        lengths.append(Int32(truncatingIfNeeded: length))
    }

    /// Merges until no pair is left.
    ///
    /// - Parameter alwaysHeap: Whether tokens may be empty, in which case only the heap does what the reference does.
    mutating func mergeAll(_ table: MergeTable, alwaysHeap: Bool) {
        if ids.count < 2 { return }
        if ids.count <= Self.longestSearched, !alwaysHeap { mergeBySearch(table) } else { mergeByHeap(table) }
    }

    private mutating func mergeBySearch(_ table: MergeTable) {
        ranks.removeAll(keepingCapacity: true)
        for index in 0..<ids.count - 1 { ranks.append(table[ids[index], ids[index + 1]]) }
        while true {
            var best = UInt32.max
            var place = -1
            for index in ranks.indices where ranks[index].rank < best {
                best = ranks[index].rank
                place = index
            }
            if place < 0 { return }
            ids[place] = ranks[place].id
            lengths[place] &+= lengths[place + 1]
            ids.remove(at: place + 1)
            lengths.remove(at: place + 1)
            ranks.remove(at: place)
            if place < ranks.count { ranks[place] = table[ids[place], ids[place + 1]] }
            if place > 0 { ranks[place - 1] = table[ids[place - 1], ids[place]] }
        }
    }

    private struct Candidate {
        var rank: UInt32
        var id: Int32
        var place: Int32

        @inline(__always)
        static func < (left: Candidate, right: Candidate) -> Bool {
            left.rank != right.rank ? left.rank < right.rank : left.place < right.place
        }
    }

    private mutating func mergeByHeap(_ table: MergeTable) {
        // Texts are shorter than 2^31 bytes, so that places fit.
        let count = ids.count
        var previous = (0..<count).map { Int32(truncatingIfNeeded: $0 - 1) }
        var next = (0..<count).map { Int32(truncatingIfNeeded: $0 + 1 < count ? $0 + 1 : -1) }
        var heap: [Candidate] = []
        func push(_ place: Int, _ merge: MergeTable.Merge) {
            guard merge.rank != .max else { return }
            Self.push(Candidate(rank: merge.rank, id: merge.id, place: Int32(truncatingIfNeeded: place)), &heap)
        }
        for place in 0..<count - 1 { push(place, table[ids[place], ids[place + 1]]) }
        while let top = Self.pop(&heap) {
            let left = Int(top.place)
            let right = Int(next[left])
            // Gone, last, or no longer the pair that was pushed.
            if lengths[left] == 0 || right < 0 { continue }
            let merge = table[ids[left], ids[right]]
            if merge.rank == .max || merge.id != top.id { continue }
            ids[left] = top.id
            lengths[left] &+= lengths[right]
            lengths[right] = 0
            let (before, after) = (Int(previous[left]), Int(next[right]))
            next[left] = next[right]
            if after >= 0 { previous[after] = top.place }
            if before >= 0 { push(before, table[ids[before], ids[left]]) }
            if after >= 0 { push(left, table[ids[left], ids[after]]) }
        }
        var kept = 0
        for place in 0..<count where lengths[place] != 0 {
            ids[kept] = ids[place]
            lengths[kept] = lengths[place]
            kept += 1
        }
        ids.removeLast(count - kept)
        lengths.removeLast(count - kept)
    }

    private static func push(_ candidate: Candidate, _ heap: inout [Candidate]) {
        heap.append(candidate)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if !(heap[child] < heap[parent]) { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private static func pop(_ heap: inout [Candidate]) -> Candidate? {
        guard let top = heap.first, let last = heap.popLast() else { return nil }
        if heap.isEmpty { return top }
        heap[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= heap.count { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            if !(heap[child] < heap[parent]) { break }
            heap.swapAt(child, parent)
            parent = child
        }
        return top
    }
}
