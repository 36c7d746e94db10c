import Nestling

/// Measures the kernels alone, in turns, as shares of what the machine can do.
struct KernelBenchmark {
    private static let sampleSeconds = 0.02

    private let peaks: MachinePeaks
    private var results: [(kernel: KernelCase, seconds: [Double])] = []

    /// Runs all cases `samples` times.
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
            runs.append(min(10_000, max(1, Int(Self.sampleSeconds / max(1e-6, Clock.seconds - begin)))))
            results.append((kernel, []))
            done += 1
            try progress(done, total)
        }
        for _ in 0..<samples {
            for (index, kernel) in cases.enumerated() {
                let begin = Clock.seconds
                for _ in 0..<runs[index] { kernel.run() }
                results[index].seconds.append((Clock.seconds - begin) / Double(runs[index]))
                done += 1
                try progress(done, total)
            }
        }
    }

    private func median(_ seconds: [Double]) -> Double { seconds.sorted()[seconds.count / 2] }

    private func rate(_ result: (kernel: KernelCase, seconds: [Double])) -> Double {
        (result.kernel.peak == .read ? result.kernel.bytes : result.kernel.operations) / median(result.seconds)
    }

    private func share(_ result: (kernel: KernelCase, seconds: [Double])) -> Double {
        guard let most = peaks.values[result.kernel.peak], most > 0 else { return 0 }
        return rate(result) / most
    }

    /// A table to paste into an issue.
    var markdown: String {
        var table = MarkdownTable(columns: [
            ("kernel", false), ("dtype", false), ("us", true), ("G/s", true), ("of", false), ("share", true),
        ])
        for result in results {
            table.rows.append([
                result.kernel.name, result.kernel.codec?.rawValue ?? "-", (median(result.seconds) * 1e6).short,
                (rate(result) * 1e-9).short, result.kernel.peak == .read ? "bytes read" : "operations",
                share(result).asPercent,
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
                    "seconds": .number(median(result.seconds)), "peak": .string(result.kernel.peak.rawValue),
                    "per_second": .number(rate(result)), "share_of_peak": .number(share(result)),
                ]
            })
        return .object(document)
    }
}
