import Nestling

/// This machine and what it can do at most, measured with the threads that are set.
struct MachinePeaks {
    /// Operations, or bytes, per second.
    let values: [Peak: Double]

    /// Measures all of them, each for about `seconds`.
    init(seconds: Double = 0.2) {
        var values: [Peak: Double] = [:]
        for peak in Peak.allCases { values[peak] = peak.measure(seconds: seconds) }
        self.values = values
    }

    /// What share of a peak so much per second is.
    func share(_ peak: Peak, _ perSecond: Double) -> Double {
        guard let most = values[peak], most > 0 else { return 0 }
        return perSecond / most
    }

    /// The share of the peak of its arithmetic that a measured test of a model reached.
    func share(of test: Benchmark.Test) -> Double {
        share(Peak(of: test.session.model.dtype), test.operations / test.samples.median)
    }

    /// Two lines: the machine, and its peaks.
    var text: String {
        let machine = [
            "nestling \(Engine.versionText)", Machine.processor, Engine.instructionSet,
            "\(Engine.threadCount) of \(Engine.usableProcessors) threads",
        ]
        let peaks = Peak.allCases.map { peak in
            let amount = ((values[peak] ?? 0) * 1e-9).short
            return peak == .read ? "memory \(amount) GB/s" : "\(peak.rawValue) \(amount) GFLOP/s"
        }
        return machine.joined(separator: ", ") + "\npeaks: " + peaks.joined(separator: ", ") + "\n"
    }

    /// The same for programs.
    var json: JSONObject {
        var document = Engine.info.object ?? JSONObject()
        document["processor"] = .string(Machine.processor)
        var peaks = JSONObject()
        for peak in Peak.allCases { peaks[peak.rawValue] = .number(values[peak] ?? 0) }
        document["peaks_per_second"] = .object(peaks)
        return document
    }
}
