import NestlingKernels
import Testing

/// Pages of one layer for the sequences of an ``AttentionCase``.
private final class Pages {
    let item: AttentionCase
    let type: nk_cache_type
    /// Key heads of a page; at least those of the case.
    let keyHeads: Int
    private var pages: [[UnsafeMutableRawPointer?]] = []
    private(set) var written: [Int]

    init(_ item: AttentionCase, _ type: nk_cache_type, keyHeads: Int? = nil) {
        self.item = item
        self.type = type
        self.keyHeads = keyHeads ?? item.keyHeads
        written = Array(repeating: 0, count: item.offsets.count - 1)
        let bytes = self.keyHeads * nk_cache_head_bytes(type, item.size)
        for sequence in 0..<item.offsets.count - 1 {
            let length = item.offsets[sequence + 1] - item.offsets[sequence]
            pages.append(
                (0..<(length + Int(NK_CACHE_PAGE) - 1) / Int(NK_CACHE_PAGE)).map { _ in
                    let page = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
                    page.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
                    return page
                })
        }
    }

    deinit { for page in pages.joined() { page?.deallocate() } }

    /// Forgets tokens, and pages that no window sees.
    func truncate(_ sequence: Int, to tokens: Int) { written[sequence] = tokens }
    func drop(_ sequence: Int, page: Int) {
        pages[sequence][page]?.deallocate()
        pages[sequence][page] = nil
    }

    /// Adds the next `counts[s]` tokens of each sequence (0: it takes no part) and attends; writes to `output`.
    func step(_ counts: [Int], _ output: Floats, threads: Int32 = 0) {
        let item = item
        var sequences: [nk_cached_sequence] = []
        var tables: [UnsafeMutablePointer<UnsafeMutableRawPointer?>] = []
        defer { for table in tables { table.deallocate() } }
        for (sequence, count) in counts.enumerated() where count > 0 {
            let table = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: pages[sequence].count)
            table.initialize(from: pages[sequence], count: pages[sequence].count)
            tables.append(table)
            sequences.append(
                nk_cached_sequence(
                    pages: UnsafePointer(table), tokens: written[sequence] + count, queries: count,
                    first_row: item.offsets[sequence] + written[sequence]))
            written[sequence] += count
        }
        var tasks = [Int](repeating: 0, count: sequences.count + 1)
        sequences.withUnsafeBufferPointer { sequences in
            guard let first = sequences.baseAddress else { return }
            item.withArguments(output) { a in
                var arguments = nk_cached_attention(
                    query: item.query.start, query_stride: item.queryStride, output: output.start,
                    output_stride: item.queryStride, heads: item.heads, key_heads: item.keyHeads, head_size: item.size,
                    type: type, sequences: first, sequence_count: sequences.count, scale: item.scale,
                    softcap: item.softcap, window: item.window, alibi_slopes: a.pointee.alibi_slopes,
                    relative_bias: a.pointee.relative_bias, relative_radius: item.radius)
                var keys = nk_cached_keys(
                    keys: item.key.start, key_stride: item.keyStride, values: item.value.start,
                    value_stride: item.keyStride, key_heads: item.keyHeads, head_size: item.size, type: type,
                    sequences: first, sequence_count: sequences.count)
                nk_cache_append(&keys, threads)
                nk_attention_cached(&arguments, &tasks, threads)
            }
        }
    }

    /// All tokens at once.
    func runAtOnce(threads: Int32 = 0) -> Floats {
        let output = Floats(item.tokens * item.queryStride, misalignment: 1)
        step((0..<item.offsets.count - 1).map { item.offsets[$0 + 1] - item.offsets[$0] }, output, threads: threads)
        return output
    }

    /// In slices of random length, some sequences at a time, forgetting and writing again now and then.
    func runInSlices(seed: Int, most: Int) -> Floats {
        var random = Generator(seed)
        let output = Floats(item.tokens * item.queryStride, misalignment: 1)
        while true {
            let left = (0..<item.offsets.count - 1).map { item.offsets[$0 + 1] - item.offsets[$0] - written[$0] }
            if left.allSatisfy({ $0 == 0 }) { return output }
            let counts = left.map { min($0, random.flag() ? Int(random.next() % UInt64(most)) + 1 : 0) }
            step(counts, output, threads: random.flag() ? 1 : 0)
            for sequence in written.indices where random.next() % 8 == 0 && written[sequence] > 0 {
                truncate(sequence, to: written[sequence] - Int(random.next() % UInt64(min(written[sequence], 5))))
            }
        }
    }
}

extension AttentionCase {
    /// What `type` keeps of keys and values.
    fileprivate mutating func quantize(as type: nk_cache_type) {
        guard type == NK_CACHE_I8 else { return }
        for values in [key, value] {
            for token in 0..<tokens {
                for head in 0..<keyHeads {
                    let row = values.start + token * keyStride + head * size
                    let greatest = (0..<size).map { abs(row[$0]) }.max() ?? 0
                    for i in 0..<size where greatest > 0 {
                        row[i] = (row[i] / (greatest / 127)).rounded(.toNearestOrEven) * (greatest / 127)
                    }
                }
            }
        }
    }
}

extension KernelTests {
    @Suite struct CachedAttention {
        /// Rounding of queries, keys, values and weights to bf16: see AttentionPrecisionTests.
        static let types: [(nk_cache_type, Double)] = [
            (NK_CACHE_F32, 3e-6), (NK_CACHE_BF16, 0.02), (NK_CACHE_I8, 0.02),
        ]

        private static func item(size: Int, choice: Int, offsets: [Int]) -> AttentionCase {
            var random = Generator(choice)
            var item = AttentionCase(
                heads: 4, keyHeads: [4, 2, 1][choice % 3], size: size, offsets: offsets, seed: choice)
            // Of the rules of attention without a cache, all but a bias of keys and positions of their own.
            item.addBiases(choice & ~33 | 8, random: &random)
            return item
        }

        @Test(arguments: [1, 5, 32, 64, 80, 128, 256]) func allRules(size: Int) {
            for choice in [0, 2, 4, 16, 86] {
                for (type, tolerance) in Self.types {
                    var item = Self.item(size: size, choice: choice, offsets: [0, 1, 9, 9, 73, 138, 338])
                    let pages = Pages(item, type)
                    item.quantize(as: type)
                    let expected = item.expected()
                    forEachInstructionSet { isa in
                        let pages = isa == "portable" ? pages : Pages(pages.item, type)
                        let error = item.worstError(pages.runAtOnce(), expected)
                        #expect(error < tolerance, "\(isa) type \(type) head size \(size), rules \(choice): \(error)")
                    }
                }
            }
        }

        /// The first token alone, then some, then all others: the same bits, in any batch and with any number of threads.
        @Test(arguments: [0, 2, 4, 16, 64, 86], [20, 64, 100]) func slicesKeepTheirBits(choice: Int, size: Int) {
            let item = Self.item(size: size, choice: choice, offsets: [0, 1, 9, 9, 73, 138, 338])
            for (type, _) in Self.types {
                forEachInstructionSet { isa in
                    let whole = withThreads(2) { Pages(item, type).runAtOnce() }
                    for (seed, most) in [(1, 1), (2, 3), (3, 40), (4, 200)] where most > 1 || size == 20 {
                        #expect(
                            Pages(item, type).runInSlices(seed: seed, most: most).bits == whole.bits,
                            "\(isa) type \(type), slices of up to \(most)")
                    }
                }
            }
        }

        /// A submodel with fewer heads uses a prefix of what the pages hold.
        @Test func fewerHeadsThanThePages() {
            for (type, tolerance) in Self.types {
                var item = Self.item(size: 24, choice: 0, offsets: [0, 100])
                let pages = Pages(item, type, keyHeads: 7)
                item.quantize(as: type)
                #expect(item.worstError(pages.runAtOnce(), item.expected()) < tolerance)
            }
        }

        @Test func pagesOutsideTheWindowAreNotRead() {
            let item = Self.item(size: 32, choice: 16, offsets: [0, 260])
            for (type, _) in Self.types {
                forEachInstructionSet { isa in
                    let whole = Pages(item, type).runAtOnce()
                    let pages = Pages(item, type), output = Floats(item.tokens * item.queryStride, misalignment: 1)
                    pages.step([150], output)
                    pages.drop(0, page: 0)
                    pages.step([100], output)
                    pages.drop(0, page: 1)
                    pages.drop(0, page: 2)
                    pages.step([10], output)
                    #expect(output.bits == whole.bits, "\(isa) type \(type)")
                }
            }
        }

        @Test func whatWasForgottenDoesNotMatter() {
            for (type, _) in Self.types {
                forEachInstructionSet { isa in
                    let item = Self.item(size: 32, choice: 0, offsets: [0, 11])
                    let whole = Pages(item, type).runAtOnce()
                    let pages = Pages(item, type), output = Floats(item.tokens * item.queryStride, misalignment: 1)
                    pages.step([5], output)
                    let value = item.value.start + 5 * item.keyStride, kept = value.pointee
                    value.pointee = .nan
                    pages.step([2], output)
                    #expect(output[6 * item.queryStride].isNaN)
                    pages.truncate(0, to: 5)
                    value.pointee = kept
                    for count in [1, 2, 3] { pages.step([count], output) }
                    #expect(output.bits == whole.bits, "\(isa) type \(type)")
                }
            }
        }
    }
}
