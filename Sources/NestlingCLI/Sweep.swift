import Nestling

/// Runs the same input with many reductions, and compares each with the full model: how alike its vectors are, and how much
/// sooner they are there.
struct Sweep {
    /// What became of one reduction.
    struct Row {
        let reduction: NamedReduction
        /// The share of all tokens that is left after the last layer.
        let tokensKept: Double
        /// The cosine between a vector of the reduced run and that of the full one, over all inputs.
        let meanCosine, leastCosine: Double
        /// The share of inputs whose best label is the full model's; `nil`: the model has no classifier.
        let sameLabels: Double?
        /// Multiply-adds of the reduced run over those of the full one, those of reducing not counted.
        let multiplyAdds: Double
        /// How many times quicker ``ReductionEstimate`` expects it to be.
        fileprivate let predictedSpeedUp: Double
        /// Seconds of the reduced run.
        fileprivate(set) var seconds = Samples()
        /// Seconds of the full runs before it, and how many times as long they took.
        fileprivate(set) var fullSeconds = Samples()
        fileprivate(set) var ratios = Samples()

        /// What it gained.
        var gain: ReductionGain {
            ReductionGain(label: reduction.label, measured: ratios.median, predicted: predictedSpeedUp)
        }
    }

    let model: Model
    /// Texts or images, and their tokens before the first layer.
    let inputs, tokens: Int
    private(set) var rows: [Row] = []

    /// Runs `input` with each of `reductions`. Every sample of time comes right after one of the full run.
    init(
        _ model: Model, _ input: InputBatch, _ reductions: [NamedReduction], samples: Int, _ bar: ProgressBar
    ) throws(Failure) {
        self.model = model
        inputs = input.count
        let lengths = try input.lengths(model)
        tokens = lengths.reduce(0, +)
        let session = Session(model)
        let total = Double((samples + 1) * reductions.count)
        let full = try Outcome(input, session, reducer: nil)
        let fullRuns = try Self.runs(input, session, reducer: nil)
        var runs: [Int] = []
        for (index, reduction) in reductions.enumerated() {
            bar.draw("comparing", share: Double(index) / total, note: reduction.label)
            let outcome = try Outcome(input, session, reducer: reduction.reducer)
            rows.append(try Row(reduction, outcome, full, lengths, model))
            runs.append(try Self.runs(input, session, reducer: reduction.reducer))
        }
        for sample in 0..<samples {
            for index in rows.indices {
                bar.draw(
                    "measuring", share: Double((sample + 1) * rows.count + index) / total,
                    note: rows[index].reduction.label)
                let before = try Self.seconds(input, session, reducer: nil, runs: fullRuns)
                let own = try Self.seconds(input, session, reducer: rows[index].reduction.reducer, runs: runs[index])
                rows[index].fullSeconds.add(before)
                rows[index].seconds.add(own)
                rows[index].ratios.add(before / max(1e-9, own))
            }
        }
    }

    /// Seconds of one run.
    private static func seconds(
        _ input: InputBatch, _ session: Session, reducer: (any Reducer)?, runs: Int
    ) throws(Failure) -> Double {
        let begin = Clock.seconds
        for _ in 0..<runs { _ = try input.vectors(session, reducer: reducer) }
        return (Clock.seconds - begin) / Double(runs)
    }

    private static func runs(
        _ input: InputBatch, _ session: Session, reducer: (any Reducer)?
    ) throws(Failure) -> Int {
        Samples.runs(of: try seconds(input, session, reducer: reducer, runs: 1))
    }

    /// What a run gives.
    fileprivate struct Outcome {
        let vectors: [[Float]]
        /// The best label of each; empty: there is no classifier of several labels.
        let labels: [Int]

        init(_ input: InputBatch, _ session: Session, reducer: (any Reducer)?) throws(Failure) {
            vectors = try input.vectors(session, reducer: reducer)
            guard session.model.scores(.sequenceClassification) ?? 0 > 1 else {
                labels = []
                return
            }
            let scores = try input.classification(session, reducer: reducer)
            labels = vectors.indices.map { index in
                let row = scores[index]
                return (row.indices.max { row[$0] < row[$1] } ?? row.startIndex) - row.startIndex
            }
        }
    }
}

extension Sweep.Row {
    fileprivate init(
        _ reduction: NamedReduction, _ outcome: Sweep.Outcome, _ full: Sweep.Outcome, _ lengths: [Int], _ model: Model
    ) throws(Failure) {
        self.reduction = reduction
        let cosines = zip(outcome.vectors, full.vectors).map { Similarity.cosine($0, $1) }
        meanCosine = cosines.reduce(0, +) / Double(max(1, cosines.count))
        leastCosine = cosines.min() ?? 1
        let equal = zip(outcome.labels, full.labels).count { $0 == $1 }
        sameLabels = full.labels.isEmpty ? nil : Double(equal) / Double(full.labels.count)
        var (kept, whole) = (0, 0)
        var (work, reduced, expected) = (0.0, 0.0, 0.0)
        var counts: [Int: Int] = [:]
        for length in lengths { counts[length, default: 0] += 1 }
        for (length, count) in counts {
            let estimate = try model.estimate(reduction.reducer, tokens: length)
            kept += (estimate.remaining.last ?? length) * count
            whole += length * count
            work += estimate.full * Double(count)
            reduced += estimate.reduced * Double(count)
            expected += (estimate.reduced + estimate.overhead) * Double(count)
        }
        tokensKept = Double(kept) / Double(max(1, whole))
        multiplyAdds = work > 0 ? reduced / work : 1
        predictedSpeedUp = expected > 0 ? work / expected : 1
    }
}
