import NestlingBasics

/// The pages of one sequence in one layer. Those before ``firstPage`` have been given back.
final class PageTable {
    private var pages: [CachePage?] = []
    /// The memory of each page, as kernels read it.
    private(set) var pointers: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    private var capacity = 16
    /// The first page that is there, or will be.
    private(set) var firstPage = 0

    init() {
        pointers = .allocate(capacity: capacity)
        pointers.initialize(repeating: nil, count: capacity)
    }

    deinit { pointers.deallocate() }

    /// The end of the pages that are there.
    var endPage: Int { pages.count }
    /// Pages that are there.
    var pageCount: Int { pages.count - firstPage }

    /// The table of a sequence that begins as this one's.
    func shared() -> PageTable {
        let table = PageTable()
        table.begin(at: firstPage)
        for index in firstPage..<pages.count { table.set(pages[index], at: index) }
        return table
    }

    /// Leaves out the pages before `index` of an empty table.
    func begin(at index: Int) {
        firstPage = index
        while pages.count < index { set(nil, at: pages.count) }
    }

    /// Makes sure that tokens `range` can be written without anyone else's noticing.
    func reserve(_ range: Range<Int>, bytes: Int, _ pool: CachePagePool) throws(Failure) {
        let size = CacheLayout.pageTokens
        guard !range.isEmpty else { return }
        for index in range.lowerBound / size...(range.upperBound - 1) / size {
            if index >= pages.count {
                set(try pool.page(bytes: bytes), at: index)
            } else if !isKnownUniquelyReferenced(&pages[index]) {
                // Tokens before the range are kept; a page that begins within it has none.
                set(index * size < range.lowerBound ? try pages[index]?.copy() : try pool.page(bytes: bytes), at: index)
            }
        }
    }

    /// Gives back the pages before `index`.
    func forget(before index: Int) {
        for page in firstPage..<max(firstPage, min(index, pages.count)) { set(nil, at: page) }
        firstPage = max(firstPage, min(index, pages.count))
    }

    /// Gives back the pages from `count` on.
    func cut(to count: Int) {
        guard count < pages.count else { return }
        for index in max(count, firstPage)..<pages.count { pointers[index] = nil }
        pages.removeLast(pages.count - max(count, firstPage))
    }

    /// The memory of page `index`, if it is there.
    func memory(_ index: Int) -> UnsafeMutableRawPointer? { index < pages.count ? pointers[index] : nil }

    private func set(_ page: CachePage?, at index: Int) {
        while pages.count <= index { pages.append(nil) }
        if index >= capacity {
            let grown = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: 2 * (index + 1))
            grown.initialize(repeating: nil, count: 2 * (index + 1))
            grown.update(from: pointers, count: capacity)
            pointers.deallocate()
            (pointers, capacity) = (grown, 2 * (index + 1))
        }
        pages[index] = page
        pointers[index] = page?.memory
    }
}
