import Glibc
import Nestling

/// How far long work is: a line on standard error that redraws itself, if that is a terminal. Also where long work learns
/// that it was interrupted.
final class ProgressBar {
    private let isShown: Bool
    private var lastDrawn = 0.0
    private var isDrawn = false

    /// A bar that is shown unless `quiet`.
    init(quiet: Bool) {
        isShown = !quiet && StandardError.isTerminal && getenv("TERM").map { String(cString: $0) } != "dumb"
        // Work that takes no time needs no bar.
        lastDrawn = Clock.seconds + 0.2
    }

    deinit { clear() }

    /// What the library calls: shows how far loading or saving is.
    var report: ProgressHandler {
        { stage, done, total throws(Failure) in
            try Interruption.check()
            let verb =
                ["load": "loading", "save": "saving", "encode": "embedding", "measure": "measuring"][stage] ?? stage
            self.draw(verb, share: total > 0 ? Double(done) / Double(total) : 0, note: "")
        }
    }

    /// What the library calls when someone else shows how far the work is.
    static func listening(stage: String, done: Int, total: Int) throws(Failure) { try Interruption.check() }

    /// Draws the bar of `verb` if it is time to; `share` nil: nobody knows how much there is.
    func draw(_ verb: String, share: Double?, note: String) {
        guard isShown else { return }
        let now = Clock.seconds
        guard now - lastDrawn >= 0.1 else { return }
        lastDrawn = now
        isDrawn = true
        var line = "\r\u{1B}[K" + verb.padded(to: 10)
        if let share {
            let width = 30
            let filled = min(width, max(0, Int(share * Double(width))))
            line += "[" + String(repeating: "=", count: filled) + String(repeating: " ", count: width - filled)
            line += "] " + "\(min(100, max(0, Int(share * 100))))%".padded(to: 5)
        }
        StandardError.write(line + note)
    }

    /// Takes the line away.
    func clear() {
        if isDrawn { StandardError.write("\r\u{1B}[K") }
        isDrawn = false
    }
}

/// The clock that only runs forward.
enum Clock {
    /// Seconds since some moment.
    static var seconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
