import Nestling

/// Measures several tests in turns.
struct Benchmark {
    /// What is run: random token ids, or random images of the size that the model was made for.
    fileprivate enum Work {
        case tokens(TokenBatch)
        case images([PreparedImage])
    }

    /// One combination: what is run, and what was measured.
    struct Test {
        let ffn: String
        let merged: Int
        let tokens: Int
        let sequences: Int
        let session: Session
        let reducer: (any Reducer)?

        fileprivate(set) var operations = 0.0
        fileprivate(set) var seconds: [Double] = []
        fileprivate var work = Work.images([])
        fileprivate var runs = 1

        init(
            ffn: String, merged: Int, tokens: Int, sequences: Int, session: Session, reducer: (any Reducer)?
        ) {
            self.ffn = ffn
            self.merged = merged
            self.tokens = tokens
            self.sequences = sequences
            self.session = session
            self.reducer = reducer
        }

        /// Seconds of one run: the median of the samples.
        var median: Double { quantile(0.5) }
        /// Half of the range in which the middle half of the samples lies.
        var spread: Double { (quantile(0.75) - quantile(0.25)) / 2 }
        /// The quickest.
        var least: Double { seconds.min() ?? 0 }

        /// The quantile, between samples in proportion.
        private func quantile(_ share: Double) -> Double {
            let sorted = seconds.sorted()
            guard let last = sorted.last else { return 0 }
            let position = share * Double(sorted.count - 1)
            let lower = Int(position)
            guard lower + 1 < sorted.count else { return last }
            return sorted[lower] + (position - Double(lower)) * (sorted[lower + 1] - sorted[lower])
        }

        fileprivate func run() throws(Failure) {
            let progress: Progress = ProgressBar.listening(stage:done:total:)
            switch work {
            case .tokens(let batch): _ = try session.encode(batch, reduction: reducer, progress: progress)
            case .images(let images): _ = try session.encode(images, reduction: reducer, progress: progress)
            }
        }
    }

    /// A sample takes at least so many seconds: much more than the clock's error and one turn of the scheduler.
    private static let sampleSeconds = 0.02

    /// The tests, with what has been measured.
    private(set) var tests: [Test]

    /// Prepares `tests` of `model` and its submodels: random inputs, the same in every run of the program.
    init(_ model: Model, _ tests: [Test]) throws(Failure) {
        self.tests = tests
        var random = SplitMix(state: 20_260_101)
        for index in tests.indices {
            let test = tests[index]
            let ids = try test.sequences.multiplied(by: test.tokens, "--batch and --tokens")
            guard ids <= 1 << 24 else {
                throw Failure(
                    .invalidArgument, "--batch \(test.sequences) and --tokens \(test.tokens) are too many tokens")
            }
            self.tests[index].work =
                if let format = model.image {
                    .images(try Self.images(test.sequences, of: format, &random))
                } else {
                    .tokens(Self.tokens(test.sequences, of: test.tokens, below: model.vocabularySize, &random))
                }
            let outline = test.session.model.network.outline
            let multiplyAdds =
                test.reducer.map { outline.multiplyAdds(tokens: test.tokens, reducer: $0) }
                ?? outline.multiplyAdds(tokens: test.tokens)
            self.tests[index].operations = 2 * multiplyAdds * Double(test.sequences)
        }
    }

    private static func tokens(
        _ sequences: Int, of tokens: Int, below vocabulary: Int, _ random: inout SplitMix
    ) -> TokenBatch {
        var batch = TokenBatch()
        let vocabulary = 0...Int32(clamping: max(0, vocabulary - 1))
        for _ in 0..<sequences { batch.append((0..<tokens).map { _ in Int32.random(in: vocabulary, using: &random) }) }
        return batch
    }

    private static func images(
        _ count: Int, of format: ImageFormat, _ random: inout SplitMix
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
            let seconds = max(1e-6, Clock.seconds - begin)
            tests[index].runs = min(10_000, max(1, Int((Benchmark.sampleSeconds / seconds).rounded(.up))))
            done += 1
            progress(done, total)
        }
        for _ in 0..<samples {
            for index in tests.indices {
                let runs = tests[index].runs
                let begin = Clock.seconds
                for _ in 0..<runs { try tests[index].run() }
                tests[index].seconds.append((Clock.seconds - begin) / Double(runs))
                done += 1
                progress(done, total)
            }
        }
    }
}

/// Random numbers that are the same in every run (Steele, Lea and Flood 2014).
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
