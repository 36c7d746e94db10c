import Glibc
import NestlingKernels
import Testing

/// Attention with all its arrays, and the formula of the header in float64.
struct AttentionCase {
    var heads = 2, keyHeads = 2, size = 32
    var offsets = [0, 1, 9, 9, 50]
    var causal = false, window: Int32 = -1
    var softcap: Float = 0
    var keyBias: [Float]?, slopes: [Float]?, relative: [Float]?, positions: [Int32]?
    var radius: Int32 = 0
    var query: Floats, key: Floats, value: Floats
    var scale: Float
    var precision = NK_F32
    /// Of each sequence those tokens that have queries, in rows of their own; `nil`: all, in theirs.
    var queried: [[Int]]?
    /// What is given instead of `key` and `value`.
    var storedKey: StoredNumbers?, storedValue: StoredNumbers?

    var tokens: Int { offsets.last! }
    var queryStride: Int { heads * size + 3 }
    var keyStride: Int { keyHeads * size + 1 }

    init(heads: Int, keyHeads: Int, size: Int, offsets: [Int], seed: Int, range: Float = 1) {
        var random = Generator(seed)
        self.heads = heads
        self.keyHeads = keyHeads
        self.size = size
        self.offsets = offsets
        scale = 2 / Float(size).squareRoot()
        query = Floats(random.floats(offsets.last! * (heads * size + 3), -range...range), misalignment: 1)
        key = Floats(random.floats(offsets.last! * (keyHeads * size + 1), -range...range), misalignment: 2)
        value = Floats(random.floats(offsets.last! * (keyHeads * size + 1)), misalignment: 3)
    }

    mutating func addBiases(_ choice: Int, random: inout Generator) {
        if choice & 1 != 0 { keyBias = random.floats(tokens, 0...2) }
        if choice & 2 != 0 { slopes = random.floats(heads, 0.01...0.5) }
        if choice & 4 != 0 {
            radius = 6
            relative = random.floats(heads * 13)
        }
        if choice & 8 != 0 { causal = true }
        if choice & 16 != 0 { window = 11 }
        if choice & 32 != 0 {
            // Some tokens of each sequence share a position, as merged ones may, and some are skipped.
            positions = []
            for s in 0..<offsets.count - 1 {
                var position = Int32(random.next() % 5)
                for _ in offsets[s]..<offsets[s + 1] {
                    positions!.append(position)
                    position += Int32(random.next() % 3)
                }
            }
        }
        if choice & 64 != 0 { softcap = 1.5 }
    }

    /// Of the sequences in `range`.
    func run(threads: Int32 = 0, sequences range: Range<Int>? = nil) -> Floats {
        let output = Floats(tokens * queryStride, misalignment: 1)
        withArguments(output, sequences: range) { nk_attention_f32($0, threads) }
        return output
    }

    /// Describes the case to a kernel.
    func withArguments(
        _ output: Floats, sequences range: Range<Int>? = nil,
        _ body: (UnsafePointer<nk_attention_f32_arguments>) -> Void
    ) {
        let range = range ?? 0..<offsets.count - 1
        let queryOffsets = queried?.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
        let queryTokens = queried.map { Array($0.joined()) }
        let rows = queried.map { zip($0, offsets).flatMap { tokens, start in tokens.map { start + $0 } } }
        let query = rows.map { rows in
            Floats(
                rows.flatMap { row in (0..<queryStride).map { self.query[row * queryStride + $0] } }, misalignment: 1)
        }
        offsets.withUnsafeBufferPointer { offsets in
            withExtendedLifetime((query, keyBias, slopes, relative, positions, storedKey, storedValue)) {
                positions.withPointer { positions in
                    keyBias.withPointer { keyBias in
                        slopes.withPointer { slopes in
                            relative.withPointer { relative in
                                var arguments = nk_attention_f32_arguments(
                                    query: (query ?? self.query).start, query_stride: queryStride,
                                    key: storedKey?.start ?? .init(key.start),
                                    key_stride: keyStride, value: storedValue?.start ?? .init(value.start),
                                    value_stride: keyStride,
                                    output: output.start,
                                    output_stride: queryStride, heads: heads, key_heads: keyHeads, head_size: size,
                                    offsets: offsets.baseAddress! + range.lowerBound, sequences: range.count,
                                    query_offsets: nil, query_tokens: nil, scale: scale,
                                    softcap: softcap, causal: causal ? 1 : 0, window: window, positions: positions,
                                    key_bias: keyBias, alibi_slopes: slopes, relative_bias: relative,
                                    relative_radius: radius, key_type: storedKey?.type ?? NK_F32,
                                    value_type: storedValue?.type ?? NK_F32, precision: precision)
                                queryOffsets.withPointer { offsets in
                                    queryTokens.withPointer { tokens in
                                        arguments.query_offsets = offsets.map { $0 + range.lowerBound }
                                        arguments.query_tokens = tokens
                                        body(&arguments)
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The formula in float64, `[tokens, heads * size]`.
    func expected() -> [Double] {
        var result = [Double](repeating: 0, count: tokens * heads * size)
        for s in 0..<offsets.count - 1 {
            for head in 0..<heads {
                for i in offsets[s]..<offsets[s + 1] {
                    let first = (i * heads + head) * size
                    for (j, weight) in weights(sequence: s, head: head, query: i) {
                        let value = value.start + j * keyStride + head / (heads / keyHeads) * size
                        for d in 0..<size { result[first + d] += weight * Double(value[d]) }
                    }
                }
            }
        }
        return result
    }

    /// The keys that a query meets, with the share of each.
    func weights(sequence: Int, head: Int, query i: Int) -> [(Int, Double)] {
        let start = offsets[sequence], keyHead = head / (heads / keyHeads)
        let own = positions?[i] ?? Int32(i - start)
        var scores = [(Int, Double)]()
        for j in start..<offsets[sequence + 1] {
            let distance = (positions?[j] ?? Int32(j - start)) - own
            if (causal && distance > 0) || (window >= 0 && abs(distance) > window) { continue }
            let q = query.start + i * queryStride + head * size, k = key.start + j * keyStride + keyHead * size
            var score = 0.0
            for d in 0..<size { score += Double(q[d]) * Double(k[d]) }
            score *= Double(scale)
            if softcap > 0 { score = Double(softcap) * tanh(score / Double(softcap)) }
            if let keyBias { score += Double(keyBias[j]) }
            if let slopes { score -= Double(slopes[head]) * Double(abs(distance)) }
            if let relative {
                let clamped = min(max(distance, -radius), radius) + radius
                score += Double(relative[head * (2 * Int(radius) + 1) + Int(clamped)])
            }
            scores.append((j, score))
        }
        let greatest = scores.map(\.1).max()!
        let total = scores.reduce(0) { $0 + exp($1.1 - greatest) }
        return scores.map { ($0.0, exp($0.1 - greatest) / total) }
    }

    /// The greatest error; infinity if something else was written.
    func worstError(_ output: Floats, _ expected: [Double]) -> Double {
        var worst = output.guarded ? 0 : Double.infinity
        for token in 0..<tokens {
            for column in 0..<heads * size {
                let error = abs(Double(output[token * queryStride + column]) - expected[token * heads * size + column])
                worst = error.isNaN ? .infinity : max(worst, error)
            }
            if output[token * queryStride + heads * size] != Floats.untouched { worst = .infinity }
        }
        return worst
    }
}

extension Optional {
    func withPointer<Element, Result>(_ body: (UnsafePointer<Element>?) -> Result) -> Result
    where Wrapped == [Element] {
        guard let self else { return body(nil) }
        return self.withUnsafeBufferPointer { body($0.baseAddress) }
    }
}

extension KernelTests {
    @Suite struct Attention {
        @Test(arguments: [1, 5, 32, 64, 80, 128, 256, 300]) func allRules(size: Int) {
            for choice in 0..<128 where size <= 64 || choice % 5 == 0 {
                var random = Generator(choice)
                var item = AttentionCase(
                    heads: 4, keyHeads: [4, 2, 1][choice % 3], size: size, offsets: [0, 1, 9, 9, 42, 59], seed: choice)
                item.addBiases(choice, random: &random)
                let expected = item.expected()
                forEachInstructionSet { isa in
                    let error = item.worstError(item.run(), expected)
                    #expect(error < 2e-6, "\(isa) head size \(size), rules \(choice): \(error)")
                }
            }
        }

        /// Windows of images: with positions `y (2 n - 1) + x` a relative bias of radius `2 n (n - 1)` is one of distances down
        /// and across. Whole windows, narrower ones, and the parts of shifted ones, as Swin has them.
        @Test(arguments: [1, 2, 3, 7, 12]) func windowsOfImages(side: Int) {
            let (heads, size, width) = (3, 32, 2 * side - 1)
            let parts = [
                (0..<side, 0..<side), (0..<side, side / 2..<side), (side / 2..<side, 0..<side - side / 2),
                (side - 1..<side, side - 1..<side), (0..<(side + 1) / 2, 0..<(side + 1) / 2),
            ].filter { !$0.0.isEmpty && !$0.1.isEmpty }
            let places = parts.flatMap { part in part.0.flatMap { y in part.1.map { x in (y, x) } } }
            let offsets = parts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.0.count * $1.1.count) }
            var random = Generator(side)
            let table = random.floats(width * width * heads, -2...2)
            for precision in [NK_F32, NK_BF16] {
                var item = AttentionCase(heads: heads, keyHeads: heads, size: size, offsets: offsets, seed: side)
                item.precision = precision
                var expected = [Double]()
                for (i, (y, x)) in places.enumerated() {
                    let s = offsets.lastIndex { $0 <= i }!
                    for head in 0..<heads {
                        let scores = (offsets[s]..<offsets[s + 1]).map { j in
                            let (q, k) = (i * item.queryStride + head * size, j * item.keyStride + head * size)
                            let product = (0..<size).reduce(0.0) {
                                $0 + Double(item.query.start[q + $1]) * Double(item.key.start[k + $1])
                            }
                            let row = (y - places[j].0 + side - 1) * width + x - places[j].1 + side - 1
                            return product * Double(item.scale) + Double(table[row * heads + head])
                        }
                        let shares = scores.map { exp($0 - scores.max()!) }
                        let sum = shares.reduce(0, +)
                        for d in 0..<size {
                            expected.append(
                                shares.indices.reduce(0) { total, j in
                                    let value = item.value.start[(offsets[s] + j) * item.keyStride + head * size + d]
                                    return total + shares[j] / sum * Double(value)
                                })
                        }
                    }
                }
                item.positions = places.map { Int32($0.0 * width + $0.1) }
                item.radius = Int32(2 * side * (side - 1))
                item.relative = (0..<heads).flatMap { head in
                    (0..<width * width).map { table[(width * width - 1 - $0) * heads + head] }
                }
                forEachInstructionSet { isa in
                    let error = item.worstError(item.run(), expected)
                    #expect(error < (precision == NK_F32 ? 2e-6 : 0.03), "\(isa) windows of \(side): \(error)")
                }
            }
        }

        /// Several blocks of keys and of queries, odd lengths around the blocks' ends.
        @Test(arguments: [0, 8, 16, 24, 56, 17, 34, 68, 127]) func longSequences(choice: Int) {
            for length in [127, 128, 129, 141, 300, 512, 513, 1040] {
                var random = Generator(choice)
                var item = AttentionCase(heads: 1, keyHeads: 1, size: 20, offsets: [0, 7, 7 + length], seed: length)
                item.addBiases(choice, random: &random)
                let expected = item.expected()
                forEachInstructionSet { isa in
                    let error = item.worstError(item.run(), expected)
                    #expect(error < 3e-6, "\(isa) length \(length), rules \(choice): \(error)")
                }
            }
        }

        /// Query heads that share keys, over several blocks of keys (256 and 128 keys for these sizes) and more sequences
        /// than are cut into tasks at once.
        @Test(arguments: [0, 24, 55, 90]) func sharedKeys(choice: Int) {
            for (size, offsets) in [
                (128, [0, 257, 530]), (200, [0, 3, 290]), (256, [0, 128, 257]), (8, Array(0...600) + [609]),
            ] {
                var random = Generator(choice)
                var item = AttentionCase(heads: 4, keyHeads: 2, size: size, offsets: offsets, seed: choice)
                item.addBiases(choice, random: &random)
                let expected = item.expected()
                forEachInstructionSet { isa in
                    let error = item.worstError(item.run(threads: 2), expected)
                    #expect(error < 3e-6, "\(isa) head size \(size), rules \(choice): \(error)")
                }
            }
        }

        /// Scores far apart: all but a few weights vanish, whichever block the greatest score is in.
        @Test func greatScores() {
            for seed in 0..<5 {
                let item = AttentionCase(heads: 1, keyHeads: 1, size: 16, offsets: [0, 400], seed: seed, range: 12)
                let expected = item.expected()
                forEachInstructionSet { isa in
                    // Scores of up to 1000 are known to 6e-5, and the weights to as much.
                    #expect(item.worstError(item.run(), expected) < 5e-4, "\(isa)")
                }
            }
        }

        @Test(arguments: [0, 1, 2, 4, 8, 16, 24, 32, 63, 127], [40, 130])
        func aloneEqualsInABatch(choice: Int, size: Int) {
            var random = Generator(choice)
            var item = AttentionCase(
                heads: 4, keyHeads: 2, size: size, offsets: [0, 5, 150, 150, 163, 464], seed: choice)
            item.addBiases(choice, random: &random)
            forEachInstructionSet { isa in
                let batch = withThreads(1) { item.run() }
                for threads: Int32 in [2, 5] {
                    #expect(withThreads(threads) { item.run().bits } == batch.bits, "\(isa) \(threads) threads")
                }
                for s in 0..<5 {
                    let alone = item.run(threads: 1, sequences: s..<s + 1)
                    for row in item.offsets[s]..<item.offsets[s + 1] {
                        for column in 0..<item.heads * item.size {
                            let index = row * item.queryStride + column
                            if alone[index].bitPattern != batch[index].bitPattern {
                                Issue.record("\(isa) sequence \(s) row \(row) differs")
                                return
                            }
                        }
                    }
                }
            }
        }

        /// Queries of some tokens alone: the bits that these have among all.
        @Test(arguments: [0, 1, 6, 8, 16, 24, 63, 127], [32, 130])
        func someQueries(choice: Int, size: Int) {
            var random = Generator(choice)
            var item = AttentionCase(
                heads: 4, keyHeads: 2, size: size, offsets: [0, 5, 150, 150, 163, 764], seed: choice)
            item.addBiases(choice, random: &random)
            let lengths = zip(item.offsets.dropFirst(), item.offsets).map { $0 - $1 }
            var subsets = [
                lengths.map { Array(0..<min(1, $0)) }, lengths.map { $0 == 0 ? [] : [$0 - 1] },
                lengths.map { Array(0..<$0) },
                lengths.enumerated().map { $0.offset % 2 == 0 ? [] : Array(0..<$0.element) },
            ]
            for _ in 0..<3 { subsets.append(lengths.map { (0..<$0).filter { _ in random.next() % 3 == 0 } }) }
            for precision in [NK_F32, NK_BF16] {
                item.precision = precision
                item.queried = nil
                forEachInstructionSet { isa in
                    let all = item.run()
                    for subset in subsets {
                        var some = item
                        some.queried = subset
                        let output = withThreads(1 + Int32(choice % 3)) { some.run() }
                        let rows = zip(subset, item.offsets).flatMap { tokens, start in tokens.map { start + $0 } }
                        var differences = output.guarded ? 0 : 1
                        for (place, row) in rows.enumerated() {
                            for column in 0..<item.heads * size {
                                let (one, other) = (
                                    output[place * item.queryStride + column], all[row * item.queryStride + column]
                                )
                                if one.bitPattern != other.bitPattern { differences += 1 }
                            }
                        }
                        #expect(differences == 0, "\(isa) \(precision) \(subset.map(\.count))")
                    }
                }
            }
        }

        @Test func notANumberStaysInItsSequence() {
            forEachInstructionSet { _ in
                let item = AttentionCase(heads: 2, keyHeads: 2, size: 8, offsets: [0, 20, 40], seed: 1)
                item.query.start[3 * item.queryStride] = .nan
                item.key.start[25 * item.keyStride] = .nan
                let output = item.run()
                for row in 0..<40 {
                    #expect(output[row * item.queryStride].isNaN == (row == 3 || row >= 20))
                    #expect(output[row * item.queryStride + 8].isNaN == false)
                }
            }
        }

        @Test func nothingToDo() {
            let item = AttentionCase(heads: 2, keyHeads: 2, size: 8, offsets: [0, 0, 0], seed: 1)
            forEachInstructionSet { _ in _ = item.run() }
        }
    }
}
