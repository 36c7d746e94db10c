import Nestling

/// What a reduction gained here, and what was expected of it.
struct ReductionGain {
    /// What was run.
    let label: String
    /// How many times quicker than the full model.
    let measured: Double
    let predicted: Double

    private static let least = ReductionEstimate.leastGain

    var pays: Bool { measured >= Self.least }
    var isPredictedToPay: Bool { predicted >= Self.least }

    /// Which of `gains` are not worth it here, and how well that was foretold.
    static func verdict(_ gains: [ReductionGain]) -> String {
        let idle = gains.filter { !$0.pays }
        var text = ""
        if idle.isEmpty {
            text = gains.count == 1 ? "The reduction pays" : "All \(gains.count) reductions pay"
            text += ": at least \(least.rounded(to: 2)) times as quick.\n"
        } else {
            text =
                "\(idle.count) of \(gains.count) reductions do not pay here: less than \(least.rounded(to: 2)) times as quick.\n"
            for gain in idle {
                text +=
                    "  \(gain.label): measured \(gain.measured.rounded(to: 3)), predicted \(gain.predicted.rounded(to: 3))\n"
            }
        }
        let right = gains.count { $0.pays == $0.isPredictedToPay }
        return text + "Whether a reduction pays was predicted rightly for \(right) of \(gains.count).\n"
    }
}
