import Nestling

/// Measures the kernels alone, in turns, as shares of what the machine can do.
struct KernelBenchmark {
    private let peaks: MachinePeaks
    private var results: [(kernel: KernelCase, seconds: Samples, shares: Samples)] = []

    /// Runs all cases `samples` times. Peaks are measured again before each of these rounds, because the bandwidth of a machine
    /// that others use too may halve from one minute to the next.
    init(samples: Int, progress: (_ done: Int, _ total: Int) throws(Failure) -> Void) throws(Failure) {
        peaks = MachinePeaks()
        let cases = try KernelCase.standard()
        let total = cases.count * (samples + 1)
        var done = 0
        var runs: [Int] = []
        for kernel in cases {
            kernel.run()
            let begin = Clock.seconds
            kernel.run()
            runs.append(Samples.runs(of: Clock.seconds - begin))
            results.append((kernel, Samples(), Samples()))
            done += 1
            try progress(done, total)
        }
        for _ in 0..<samples {
            let peaks = MachinePeaks(seconds: 0.1)
            for (index, kernel) in cases.enumerated() {
                let begin = Clock.seconds
                for _ in 0..<runs[index] { kernel.run() }
                let seconds = (Clock.seconds - begin) / Double(runs[index])
                results[index].seconds.add(seconds)
                results[index].shares.add(peaks.share(kernel.peak, kernel.amount / seconds))
                done += 1
                try progress(done, total)
            }
        }
    }

    /// A table to paste into an issue.
    var markdown: String {
        var table = MarkdownTable(columns: [
            ("kernel", false), ("dtype", false), ("us", true), ("G/s", true), ("of", false), ("share", true),
        ])
        for result in results {
            table.rows.append([
                result.kernel.name, result.kernel.codec?.rawValue ?? "-", (result.seconds.median * 1e6).short,
                (result.kernel.amount / result.seconds.median * 1e-9).short,
                result.kernel.peak == .read ? "bytes read" : "operations", result.shares.median.asPercent,
            ])
        }
        return peaks.text + "\n" + table.text
    }

    /// The same for programs; times in seconds.
    var json: JSON {
        var document = peaks.json
        document["results"] = .array(
            results.map { result in
                [
                    "kernel": .string(result.kernel.name),
                    "dtype": result.kernel.codec.map { .string($0.rawValue) } ?? .null,
                    "seconds": .number(result.seconds.median), "peak": .string(result.kernel.peak.rawValue),
                    "per_second": .number(result.kernel.amount / result.seconds.median),
                    "share_of_peak": .number(result.shares.median),
                ]
            })
        return .object(document)
    }
}
