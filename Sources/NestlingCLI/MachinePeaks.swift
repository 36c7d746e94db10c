import Nestling

/// This machine and what it can do at most, measured with the threads that are set.
struct MachinePeaks {
    /// Operations, or bytes, per second.
    let values: [Peak: Double]

    /// Measures all of them.
    init() {
        var values: [Peak: Double] = [:]
        for peak in Peak.allCases { values[peak] = peak.measure() }
        self.values = values
    }

    /// The share of the peak of its arithmetic that a measured test of a model reached.
    func share(of test: Benchmark.Test) -> Double {
        guard let most = values[Peak(of: test.session.model.dtype)], most > 0 else { return 0 }
        return test.operations / test.samples.median / most
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
