import Glibc
import Nestling
import Synchronization

/// Ctrl-C and requests to end: long work hears of them through its progress callback, stops, and removes what it has
/// begun to write. A second signal of the same kind ends the process at once.
enum Interruption {
    private static let caught = Atomic<Int32>(0)

    /// The signal that has come; 0: none.
    static var signal: Int32 { caught.load(ordering: .relaxed) }

    /// Begins to listen. Commands without files to clean up do not: then a signal simply ends them.
    static func listen() {
        // The handler must find the number made already.
        _ = signal
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { Interruption.caught.store($0, ordering: .relaxed) }
        // Without SA_RESTART, waiting for input ends, too.
        action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            var former = sigaction()
            // What the parent ignores (nohup) stays ignored.
            sigaction(signal, nil, &former)
            let isIgnored = former.__sigaction_handler.sa_handler.map(isIgnore) ?? false
            if !isIgnored { sigaction(signal, &action, nil) }
        }
    }

    private static func isIgnore(_ handler: @convention(c) (Int32) -> Void) -> Bool {
        unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// Takes note that the reader of standard output has gone.
    static func pipeClosed() -> Failure {
        caught.store(SIGPIPE, ordering: .relaxed)
        return Failure(.cancelled, "the reader of standard output has gone")
    }

    /// Stops the work if a signal has come.
    static func check() throws(Failure) {
        if signal != 0 { throw Failure(.cancelled, "interrupted") }
    }
}
