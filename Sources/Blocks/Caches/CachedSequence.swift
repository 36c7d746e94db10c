public import NestlingBasics
import NestlingKernels

/// What a network remembers of one sequence: keys and values of its tokens in every layer.
///
/// Used by one thread at a time. A fork shares all pages and copies one only when either side writes to it.
public final class CachedSequence {
    /// What each layer keeps.
    public let layout: CacheLayout
    /// Ids of the tokens whose keys and values are known.
    public private(set) var ids: [Int32] = []
    /// Tokens that the sequence is to have in the end, at most. Some models rotate all keys of a text that grows long in another
    /// way, from its first token on, which must be known beforehand.
    public let plannedTokens: Int
    private let pool: CachePagePool
    private var tables: [PageTable]

    /// Layers with a window keep so many tokens more than it shows, so that the last ones can be taken back.
    public static let spareTokens = 4 * CacheLayout.pageTokens

    /// A sequence without tokens, whose pages come from `pool`.
    public init(_ layout: CacheLayout, _ pool: CachePagePool, plannedTokens: Int) {
        self.plannedTokens = plannedTokens
        self.layout = layout
        self.pool = pool
        tables = layout.layers.map { _ in PageTable() }
    }

    private init(sharing other: CachedSequence, plannedTokens: Int) {
        layout = other.layout
        pool = other.pool
        ids = other.ids
        self.plannedTokens = plannedTokens
        tables = other.tables.map { $0.shared() }
    }

    /// How many tokens are known.
    public var tokens: Int { ids.count }

    /// A sequence that begins with the same tokens. Copies nothing.
    ///
    /// - Parameter plannedTokens: its own, which must agree (``CacheLayout/agree(_:_:)``); `nil`: the same.
    public func fork(plannedTokens: Int? = nil) -> CachedSequence {
        CachedSequence(sharing: self, plannedTokens: plannedTokens ?? self.plannedTokens)
    }

    /// How many leading tokens of `other` are this sequence's.
    public func commonPrefix(_ other: [Int32]) -> Int {
        var count = 0
        while count < ids.count, count < other.count, ids[count] == other[count] { count += 1 }
        return count
    }

    /// Makes room for `count` more tokens.
    /// - Throws: `.outOfMemory`; the sequence is then as it was.
    public func reserve(_ count: Int) throws(Failure) {
        let range = tokens..<(try tokens.added(to: count, "tokens of a sequence"))
        for (layer, table) in tables.enumerated() {
            try table.reserve(range, bytes: layout.pageBytes(layer), pool)
        }
    }

    /// Takes note that keys and values of the tokens `next` have been written. Layers with a window let go of what is out of
    /// sight.
    public func append(_ next: some Collection<Int32>) {
        ids.append(contentsOf: next)
        for (layer, table) in zip(layout.layers, tables) {
            if let radius = layer.radius {
                table.forget(before: max(0, tokens - radius - CachedSequence.spareTokens) / CacheLayout.pageTokens)
            }
        }
    }

    /// Forgets all tokens but the first `count`.
    ///
    /// - Throws: `.invalidArgument` if there are fewer, or if a layer with a window has let go of what would be seen.
    public func truncate(to count: Int) throws(Failure) {
        guard (0...tokens).contains(count) else {
            throw Failure(.invalidArgument, "a sequence of \(tokens) tokens cannot be cut to \(count)")
        }
        for (layer, table) in zip(layout.layers, tables) {
            if let radius = layer.radius, max(0, count - radius) < table.firstPage * CacheLayout.pageTokens,
                count < tokens
            {
                throw Failure(
                    .invalidArgument,
                    "a sequence of \(tokens) tokens cannot be cut to \(count): its windows do not reach back so far")
            }
        }
        ids.removeLast(tokens - count)
        let pages = (count + CacheLayout.pageTokens - 1) / CacheLayout.pageTokens
        for table in tables { table.cut(to: pages) }
    }

    /// The pages that block `index` reads, as kernels read them: valid until the sequence is changed.
    func pages(_ index: Int) -> UnsafePointer<UnsafeMutableRawPointer?> {
        UnsafePointer(tables[layout.place(index)].pointers)
    }

    /// Bytes of the pages that the sequence uses, those that it shares included.
    public var bytes: Int {
        tables.indices.reduce(0) { $0 + tables[$1].pageCount * layout.pageBytes($1) }
    }
}

// MARK: - Saving

extension CachedSequence {
    /// Bytes of ``save(to:)``.
    public var savedBytes: Int { MemoryLayout<UInt64>.stride * (Header.numbers(layout) + tokens) + bytes }

    /// Writes everything to memory of ``savedBytes`` bytes, from which ``init(restoring:_:_:)`` makes the same sequence. The
    /// bytes do not depend on the instruction set.
    public func save(to memory: UnsafeMutableRawPointer) {
        var position = 0
        func put(_ number: UInt64) {
            memory.storeBytes(of: number.littleEndian, toByteOffset: position, as: UInt64.self)
            position += MemoryLayout<UInt64>.stride
        }
        for number in Header.description(layout) { put(number) }
        put(UInt64(tokens))
        put(UInt64(plannedTokens))
        for table in tables { put(UInt64(table.firstPage)) }
        for id in ids { put(UInt64(UInt32(bitPattern: id))) }
        for (layer, table) in tables.enumerated() {
            for index in table.firstPage..<table.endPage {
                guard let page = table.memory(index) else { continue }
                (memory + position).copyMemory(from: page, byteCount: layout.pageBytes(layer))
                position += layout.pageBytes(layer)
            }
        }
    }

    /// The sequence that was saved to `memory`.
    ///
    /// - Throws: `.corrupt` if it is not one, or one of another layout; `.outOfMemory`.
    public convenience init(
        restoring memory: UnsafeRawBufferPointer, _ layout: CacheLayout, _ pool: CachePagePool
    ) throws(Failure) {
        var position = 0
        func next() throws(Failure) -> UInt64 {
            guard memory.count - position >= MemoryLayout<UInt64>.stride else {
                throw Failure(.corrupt, "the saved sequence is cut off after \(memory.count) bytes")
            }
            defer { position += MemoryLayout<UInt64>.stride }
            return UInt64(littleEndian: memory.loadUnaligned(fromByteOffset: position, as: UInt64.self))
        }
        for number in Header.description(layout) where try next() != number {
            throw Failure(.corrupt, "this is no sequence that was saved by the same model and cache type")
        }
        let count = try next()
        guard count <= UInt64(memory.count / MemoryLayout<UInt64>.stride) else {
            throw Failure(.corrupt, "the saved sequence is cut off after \(memory.count) bytes")
        }
        let planned = try next()
        guard planned <= UInt64(Int32.max) else {
            throw Failure(.corrupt, "the saved sequence is planned for \(planned) tokens")
        }
        self.init(layout, pool, plannedTokens: Int(planned))
        let tokens = Int(count), pages = (tokens + CacheLayout.pageTokens - 1) / CacheLayout.pageTokens
        for (index, layer) in layout.layers.enumerated() {
            let first = try next()
            let seen = layer.radius.map { max(0, tokens - $0) / CacheLayout.pageTokens } ?? 0
            guard first <= UInt64(seen) else {
                throw Failure(.corrupt, "the saved sequence lacks tokens that layer \(index + 1) sees")
            }
            tables[index].begin(at: Int(first))
        }
        var ids: [Int32] = []
        for position in 0..<tokens {
            let number = try next()
            guard let id = Int32(exactly: number) else {
                throw Failure(.corrupt, "the saved sequence has \(number) as token \(position)")
            }
            ids.append(id)
        }
        for (layer, table) in tables.enumerated() {
            let bytes = layout.pageBytes(layer)
            guard (memory.count - position) / bytes >= pages - table.firstPage else {
                throw Failure(.corrupt, "the saved sequence is cut off after \(memory.count) bytes")
            }
            try table.reserve(
                table.firstPage * CacheLayout.pageTokens..<pages * CacheLayout.pageTokens, bytes: bytes, pool)
            for index in table.firstPage..<pages {
                guard let page = table.memory(index), let source = memory.baseAddress else { continue }
                page.copyMemory(from: source + position, byteCount: bytes)
                position += bytes
            }
        }
        guard position == memory.count else {
            throw Failure(.corrupt, "the saved sequence has \(memory.count - position) bytes too many")
        }
        self.ids = ids
    }

    /// What stands before the pages.
    private enum Header {
        /// What must be the same: the form's name, the type, the page, and the layers.
        static func description(_ layout: CacheLayout) -> [UInt64] {
            let name: UInt64 = 0x3145_4843_4143_4b4e  // "NKCACHE1"
            let type = UInt64(CacheType.allCases.firstIndex(of: layout.type) ?? 0)
            return [name, type, UInt64(CacheLayout.pageTokens), UInt64(layout.layers.count)]
                + layout.layers.flatMap { layer in
                    [UInt64(layer.keyHeads), UInt64(layer.headSize), layer.radius.map { UInt64($0) } ?? .max]
                }
        }

        /// With the tokens, those that are planned, and the first page of each layer.
        static func numbers(_ layout: CacheLayout) -> Int { 4 + 3 * layout.layers.count + 2 + layout.layers.count }
    }
}
