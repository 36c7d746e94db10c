import Nestling

/// Measures how fast a model reads prompts and generates, in turns.
struct GenerationBenchmark {
    /// What is timed.
    enum Work {
        /// Reading a prompt of so many tokens, up to the scores of the next one.
        case prompt(Int)
        /// Generating so many tokens, one after the other, after a prompt of one.
        case generation(Int)

        /// As this field names it: `pp128`, `tg64`.
        var name: String {
            switch self {
            case .prompt(let tokens): "pp\(tokens)"
            case .generation(let tokens): "tg\(tokens)"
            }
        }

        /// Tokens of each text that are timed.
        var tokens: Int {
            switch self {
            case .prompt(let tokens), .generation(let tokens): tokens
            }
        }
    }

    /// One combination: what is run, and what was measured.
    struct Test {
        let model: Model
        let ffn: String
        let work: Work
        /// Texts at once.
        let sequences: Int
        fileprivate(set) var samples = Samples()
        /// Of what the machine could do at most just before each sample, how much was used: of the arithmetic by prompts, of
        /// the read bandwidth by generating.
        fileprivate(set) var shares = Samples()

        init(model: Model, ffn: String, work: Work, sequences: Int) {
            self.model = model
            self.ffn = ffn
            self.work = work
            self.sequences = sequences
        }

        /// Of all texts together.
        var tokensPerSecond: Samples {
            var rates = Samples()
            for seconds in samples.values { rates.add(Double(sequences * work.tokens) / seconds) }
            return rates
        }

        /// What bounds it.
        fileprivate var peak: Peak {
            switch work {
            case .prompt: Peak(of: model.dtype)
            case .generation: .read
            }
        }

        /// Operations or bytes of a run that its peak bounds: prompts multiply the weights (the head scores the last token
        /// alone; the last layer, which is spared most of it, counts like any other), generating reads them for each token.
        fileprivate var amount: Double {
            switch work {
            case .prompt(let tokens):
                2 * Double(model.generation.weights - model.generation.headWeights) * Double(sequences * tokens)
            case .generation(let tokens): Double(model.generation.weightBytes) * Double(tokens)
            }
        }
    }

    /// Seconds.
    private static let short = 0.1

    /// The tests, with what has been measured.
    private(set) var tests: [Test]
    private let options: TextGenerator.Options

    init(_ tests: [Test], _ options: TextGenerator.Options) {
        self.tests = tests
        self.options = options
    }

    /// Warms up, then takes so many samples of each test. Peaks are measured again before each of them, because the bandwidth of
    /// a machine that others use too may halve from one minute to the next.
    mutating func measure(samples: Int, progress: (_ done: Int, _ total: Int) -> Void) throws(Failure) {
        for sample in 0...samples {
            for index in tests.indices {
                if sample == 0 {
                    _ = try seconds(of: tests[index])
                } else {
                    try addSample(to: index)
                }
                progress(sample * tests.count + index + 1, tests.count * (samples + 1))
            }
        }
    }

    private mutating func addSample(to index: Int) throws(Failure) {
        let most = tests[index].peak.measure(seconds: 0.1)
        var seconds = try seconds(of: tests[index])
        // Measuring the peak has emptied the caches, which small models live in.
        if seconds < Self.short { seconds = try self.seconds(of: tests[index]) }
        tests[index].samples.add(seconds)
        tests[index].shares.add(most > 0 ? tests[index].amount / seconds / most : 0)
    }

    private func seconds(of test: Test) throws(Failure) -> Double {
        let generator = try TextGenerator(test.model, options: options)
        var random = RandomSource(seed: 20_260_101)
        let vocabulary = 0...Int32(clamping: test.model.vocabularySize - 1)
        var generation = GenerationOptions()
        generation.temperature = 0
        generation.ignoresEndOfText = true
        let length: Int
        switch test.work {
        case .prompt(let tokens): (length, generation.maximumNewTokens) = (tokens, 1)
        // The first one comes with the prompt and is not timed.
        case .generation(let tokens): (length, generation.maximumNewTokens) = (1, tokens + 1)
        }
        let failures = Failures()
        for _ in 0..<test.sequences {
            let prompt = (0..<length).map { _ in Int32.random(in: vocabulary, using: &random) }
            _ = try generator.add(prompt, generation) { piece in
                if case .failed(let failure) = piece.finish { failures.first = failures.first ?? failure }
                return true
            }
        }
        var begin = Clock.seconds
        if case .generation = test.work {
            while generator.statistics.generatedTokens < test.sequences { try step(generator, failures) }
            begin = Clock.seconds
        }
        while generator.requests > 0 { try step(generator, failures) }
        return Clock.seconds - begin
    }

    private func step(_ generator: TextGenerator, _ failures: Failures) throws(Failure) {
        try generator.step { (_, _, _) throws(Failure) in try Interruption.check() }
        if let failure = failures.first { throw failure }
    }

    private final class Failures {
        var first: Failure?
    }
}
