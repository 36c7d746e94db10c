import Glibc
import NestlingKernels
import Testing

extension KernelTests {
    /// What reducers ask, against the formulas of the header in float64: every instruction set, odd sizes, any threads.
    @Suite struct ReducingKernelsTests {
        static let offsets = [[0, 1], [0, 2, 5], [0, 1, 9, 9, 50], [0, 300]]

        @Test(arguments: offsets, [(2, 2, 32), (6, 2, 24), (3, 1, 5)])
        func receivedAttention(_ offsets: [Int], _ shape: (heads: Int, keyHeads: Int, size: Int)) {
            for choice in [0, 1, 2, 4, 16, 63, 127] {
                var random = Generator(choice)
                var test = AttentionCase(
                    heads: shape.heads, keyHeads: shape.keyHeads, size: shape.size, offsets: offsets, seed: choice)
                test.addBiases(choice, random: &random)
                for leading in [0, 1] {
                    var expected = [Double](repeating: 0, count: test.tokens)
                    for s in 0..<offsets.count - 1 {
                        let queries = leading == 0 ? offsets[s + 1] - offsets[s] : min(1, offsets[s + 1] - offsets[s])
                        for head in 0..<test.heads {
                            for query in offsets[s]..<offsets[s] + queries {
                                for (key, weight) in test.weights(sequence: s, head: head, query: query) {
                                    expected[key] += weight / Double(queries * test.heads)
                                }
                            }
                        }
                    }
                    func received(threads: Int32) -> [Float] {
                        let room = Floats(test.tokens * test.heads, misalignment: 1)
                        let output = Floats(test.tokens * test.queryStride)
                        test.withArguments(output) {
                            nk_attention_received($0, leading, room.start, test.tokens, threads)
                        }
                        #expect(room.guarded && output[0] == Floats.untouched)
                        return Array(room.values.prefix(test.tokens))
                    }
                    forEachInstructionSet { name in
                        let found = received(threads: 1)
                        let worst = zip(found, expected).map { abs(Double($0) - $1) }.max() ?? 0
                        #expect(worst < 2e-6, "\(name), biases \(choice), \(leading) queries")
                        #expect(withThreads(3) { received(threads: 3) }.map(\.bitPattern) == found.map(\.bitPattern))
                    }
                }
            }
        }

        /// With a group for each key, means are the keys themselves; with twins, two of them are one of size two.
        @Test(arguments: offsets, [(2, 2, 32), (6, 2, 24), (3, 1, 5)])
        func pooledAttention(_ offsets: [Int], _ shape: (heads: Int, keyHeads: Int, size: Int)) {
            for choice in [0, 2, 4, 38, 102] {
                var random = Generator(choice)
                var test = AttentionCase(
                    heads: shape.heads, keyHeads: shape.keyHeads, size: shape.size, offsets: offsets, seed: choice)
                test.addBiases(choice, random: &random)
                func pooled(_ groups: Int, sizes: [Float]?, threads: Int32) -> Floats {
                    let output = Floats(test.tokens * test.queryStride, misalignment: 1)
                    sizes.withPointer { sizes in
                        test.withArguments(output) { nk_attention_pooled($0, groups, sizes, threads) }
                    }
                    return output
                }
                let expected = test.expected()
                forEachInstructionSet { name in
                    let found = pooled(1000, sizes: nil, threads: 1)
                    #expect(test.worstError(found, expected) < 1e-5, "\(name), biases \(choice)")
                    #expect(withThreads(3) { pooled(1000, sizes: nil, threads: 3) }.bits == found.bits)
                }
                // Every token of size 3 in groups of its own: the same shares.
                let heavy = pooled(1000, sizes: Array(repeating: 3, count: test.tokens), threads: 1)
                #expect(test.worstError(heavy, expected) < 1e-5)
            }
        }

        @Test func groupsOfTwinsAreExact() {
            let test = AttentionCase(heads: 2, keyHeads: 2, size: 16, offsets: [0, 40], seed: 5)
            for token in stride(from: 1, to: 40, by: 2) {
                (test.key.start + token * test.keyStride).update(
                    from: test.key.start + (token - 1) * test.keyStride, count: test.keyStride)
                (test.value.start + token * test.keyStride).update(
                    from: test.value.start + (token - 1) * test.keyStride, count: test.keyStride)
            }
            let output = Floats(test.tokens * test.queryStride, misalignment: 1)
            test.withArguments(output) { nk_attention_pooled($0, 20, nil, 1) }
            #expect(test.worstError(output, test.expected()) < 1e-5)
        }

        private static func product(_ rows: [Float], _ a: Int, _ b: Int, _ columns: Int) -> Double {
            var sum = 0.0
            for i in 0..<columns { sum += Double(rows[a * columns + i]) * Double(rows[b * columns + i]) }
            return sum
        }

        @Test(arguments: [1, 2, 3, 4, 9, 70, 301], [1, 3, 16, 33]) func nearMatches(_ tokens: Int, _ columns: Int) {
            var random = Generator(tokens * 100 + columns)
            let (n, m) = ((tokens + 1) / 2, tokens / 2)
            let rows = random.floats(tokens * columns)
            let isSource = (0..<n).map { _ in UInt8(random.next() % 8 == 0 ? 0 : 1) }
            let isTarget = (0..<m).map { _ in UInt8(random.next() % 8 == 0 ? 0 : 1) }
            for band in [1, 2, 5, 1000] {
                for forward in [0, 1] {
                    var best = [Int32](repeating: 7, count: n)
                    var score = [Float](repeating: 7, count: n)
                    rows.withUnsafeBufferPointer { rows in
                        let start = rows.baseAddress!
                        withThreads(3) {
                            nk_best_match_near(
                                start, 2 * columns, n, isSource, start + columns, 2 * columns, m, isTarget, columns,
                                band,
                                Int32(forward), &best, &score, 3)
                        }
                    }
                    for source in 0..<n {
                        var expected = (index: -1, score: -Double.infinity)
                        for target in 0..<m where abs(source - target) < band && (forward == 0 || target >= source) {
                            guard isSource[source] == 1, isTarget[target] == 1 else { continue }
                            let product = Self.product(rows, 2 * source, 2 * target + 1, columns)
                            if product > expected.score { expected = (target, product) }
                        }
                        #expect(best[source] == Int32(expected.index))
                        if expected.index >= 0 { #expect(abs(Double(score[source]) - expected.score) < 1e-5) }
                    }
                }
            }
        }

        @Test(arguments: [2, 3, 33, 150], [1, 7, 32]) func energies(_ tokens: Int, _ columns: Int) {
            var random = Generator(tokens * 100 + columns)
            let rows = random.floats(tokens * columns, -0.4...0.4)
            let margin: Float = 0.1
            let expected = (0..<tokens).map { a -> Double in
                var sum = 0.0
                for b in 0..<tokens where b != a {
                    let x = Self.product(rows, a, b, columns) - Double(margin)
                    sum += x >= 0 ? x : expm1(x)
                }
                return sum / Double(tokens - 1)
            }
            func energies(_ threads: Int32) -> [Float] {
                var energy = [Float](repeating: 7, count: tokens)
                nk_merge_energy(rows, columns, tokens, columns, margin, &energy, threads)
                return energy
            }
            forEachInstructionSet { name in
                let found = energies(1)
                #expect(zip(found, expected).allSatisfy { abs(Double($0) - $1) < 1e-5 }, "\(name)")
                #expect(withThreads(3) { energies(3) } == found)
            }
        }
    }
}
