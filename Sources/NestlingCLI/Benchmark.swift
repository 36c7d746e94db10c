import Nestling

/// Measures several tests in turns.
struct Benchmark {
    /// One combination: what is run, and what was measured.
    struct Test {
        let ffn: String
        /// `nil`: the whole sequence is run.
        let reduction: NamedReduction?
        let tokens: Int
        let sequences: Int
        let session: Session

        fileprivate(set) var operations = 0.0
        fileprivate(set) var samples = Samples()
        /// What is run: random token ids, or random images of the size that the model was made for.
        fileprivate var input = InputBatch.images([])
        fileprivate var runs = 1

        init(
            ffn: String, reduction: NamedReduction?, tokens: Int, sequences: Int, session: Session
        ) {
            self.ffn = ffn
            self.reduction = reduction
            self.tokens = tokens
            self.sequences = sequences
            self.session = session
        }

        fileprivate func run() throws(Failure) { _ = try input.vectors(session, reducer: reduction?.reducer) }
    }

    /// The tests, with what has been measured.
    private(set) var tests: [Test]

    /// Prepares `tests` of `model` and its submodels: random inputs, the same in every run of the program.
    init(_ model: Model, _ tests: [Test]) throws(Failure) {
        self.tests = tests
        var random = RandomSource(seed: 20_260_101)
        for index in tests.indices {
            let test = tests[index]
            let ids = try test.sequences.multiplied(by: test.tokens, "--batch and --tokens")
            guard ids <= 1 << 24 else {
                throw Failure(
                    .invalidArgument, "--batch \(test.sequences) and --tokens \(test.tokens) are too many tokens")
            }
            self.tests[index].input =
                if let format = model.image {
                    .images(try Self.images(test.sequences, of: format, &random))
                } else {
                    .tokens(
                        Self.tokens(test.sequences, of: test.tokens, below: model.vocabularySize, &random), skipped: 0)
                }
            let outline = test.session.model.network.outline
            let multiplyAdds =
                test.reduction.map { outline.multiplyAdds(tokens: test.tokens, reducer: $0.reducer) }
                ?? outline.multiplyAdds(tokens: test.tokens)
            self.tests[index].operations = 2 * multiplyAdds * Double(test.sequences)
        }
    }

    /// What the reduction of a test gained over the same test without one; `nil`: one of the two was not measured.
    func gain(of test: Test) throws(Failure) -> ReductionGain? {
        let full = tests.first {
            $0.reduction == nil && $0.session === test.session && $0.tokens == test.tokens
                && $0.sequences == test.sequences
        }
        guard let full, let reduction = test.reduction else { return nil }
        let model = test.session.model
        return ReductionGain(
            label:
                "\(reduction.label), \(test.sequences) x \(test.tokens) tokens, \(model.dtype.rawValue), FFN \(test.ffn)",
            measured: full.samples.median / max(1e-9, test.samples.median),
            predicted: try model.estimate(reduction.reducer, tokens: test.tokens).speedUp)
    }

    private static func tokens(
        _ sequences: Int, of tokens: Int, below vocabulary: Int, _ random: inout RandomSource
    ) -> TokenBatch {
        var batch = TokenBatch()
        let vocabulary = 0...Int32(clamping: max(0, vocabulary - 1))
        for _ in 0..<sequences { batch.append((0..<tokens).map { _ in Int32.random(in: vocabulary, using: &random) }) }
        return batch
    }

    private static func images(
        _ count: Int, of format: ImageFormat, _ random: inout RandomSource
    ) throws(Failure) -> [PreparedImage] {
        // One image, many times: what its numbers are changes nothing.
        let image = try PreparedImage(channels: format.channels, height: format.height, width: format.width)
        for index in 0..<image.count { image.pointer[index] = Float.random(in: -1...1, using: &random) }
        return Array(repeating: image, count: count)
    }

    /// Warms up, then takes so many samples of each test.
    mutating func measure(samples: Int, progress: (_ done: Int, _ total: Int) -> Void) throws(Failure) {
        let total = tests.count * (samples + 1)
        var done = 0
        for index in tests.indices {
            try tests[index].run()
            let begin = Clock.seconds
            try tests[index].run()
            tests[index].runs = Samples.runs(of: Clock.seconds - begin)
            done += 1
            progress(done, total)
        }
        for _ in 0..<samples {
            for index in tests.indices {
                let runs = tests[index].runs
                let begin = Clock.seconds
                for _ in 0..<runs { try tests[index].run() }
                tests[index].samples.add((Clock.seconds - begin) / Double(runs))
                done += 1
                progress(done, total)
            }
        }
    }
}
