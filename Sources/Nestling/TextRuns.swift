import NestlingBasics
import Glibc
import NestlingKernels
import NestlingModels
import Synchronization
import NestlingTensors

/// Many texts cut into runs of neighbours that are about equally long, for threads to claim one after another.
///
/// A run takes some tens of microseconds: long enough that claiming it costs nothing, short enough that all threads end at
/// about the same time. A text longer than a run is a run of its own.
struct TextRuns {
    /// Run `r` is the texts `starts[r] ..< starts[r + 1]`.
    private let starts: [Int]

    /// What a text costs besides its bytes, in bytes.
    private static let overhead = 32

    /// Cuts `count` texts into runs of about `bytes` bytes; `length` tells how long a text is.
    init(count: Int, bytes: Int, length: (Int) -> Int) {
        var starts = [0]
        var size = 0
        for text in 0..<count {
            size += length(text) + Self.overhead
            if size >= bytes {
                starts.append(text + 1)
                size = 0
            }
        }
        if starts[starts.count - 1] < count { starts.append(count) }
        self.starts = starts
    }

    /// Number of runs.
    var count: Int { starts.count - 1 }

    /// Number of texts.
    var texts: Int { starts[starts.count - 1] }

    /// Does all runs on up to `threads` threads (`nil`: as set for the process), the caller's among them.
    ///
    /// - Parameters:
    ///   - progress: Called on the calling thread only, with the number of texts that are done.
    ///   - begin: Makes what one thread works with.
    ///   - work: Does one run: its number and its texts. What it makes must depend on nothing else.
    /// - Returns: What the threads worked with.
    /// - Throws: The failure of the first text, by number, that failed, whatever the threads did meanwhile; what `progress`
    ///   throws.
    func perform<Worker>(
        threads: Int?, progress: ProgressHandler?, begin: () -> Worker,
        work: (inout Worker, Int, Range<Int>) throws(TextFailure) -> Void
    ) throws(Failure) -> [Worker] {
        try progress?("tokenize", 0, texts)
        let limit = Int(nk_running_threads(Int32(clamping: threads ?? 0)))
        let crew = Crew<Worker>(size: max(1, min(limit, count)))
        parallel(crew.size, threads: crew.size) { slot in crew.run(self, slot, progress, begin, work) }
        try crew.rethrow()
        try progress?("tokenize", texts, texts)
        return crew.workers
    }

    fileprivate func texts(of run: Int) -> Range<Int> { starts[run]..<starts[run + 1] }
}

/// A text that failed, and why.
struct TextFailure: Error {
    let text: Int
    let failure: Failure

    init(text: Int, of name: String = "text", _ failure: Failure) {
        self.text = text
        self.failure = Failure(failure.kind, "\(name) \(text): \(failure.message)")
    }
}

/// The threads that do the runs of one call.
private final class Crew<Worker>: @unchecked Sendable {
    let size: Int
    private let caller = pthread_self()
    private let next = Atomic<Int>(0)
    private let stops = Atomic<Bool>(false)
    private let done = Atomic<Int>(0)
    /// One for each thread, which alone writes it; read when all have ended.
    private let outcomes: UnsafeMutableBufferPointer<Outcome?>

    private struct Outcome {
        let worker: Worker
        let failure: TextFailure?
        let cancelled: Failure?
    }

    init(size: Int) {
        self.size = size
        outcomes = .allocate(capacity: size)
        outcomes.initialize(repeating: nil)
    }

    deinit {
        outcomes.deinitialize()
        outcomes.deallocate()
    }

    /// After all have ended.
    var workers: [Worker] { outcomes.compactMap { $0?.worker } }

    /// After all have ended.
    func rethrow() throws(Failure) {
        if let cancelled = outcomes.lazy.compactMap({ $0?.cancelled }).first { throw cancelled }
        let failures = outcomes.compactMap { $0?.failure }
        if let first = failures.min(by: { $0.text < $1.text }) { throw first.failure }
    }

    /// Claims runs until there are none. Runs are claimed in order, and one that was claimed is done: so when a text fails,
    /// every run before its own is done too, and the first failure by number is among those that were found.
    func run(
        _ runs: TextRuns, _ slot: Int, _ progress: ProgressHandler?, _ begin: () -> Worker,
        _ work: (inout Worker, Int, Range<Int>) throws(TextFailure) -> Void
    ) {
        var worker = begin()
        var clock = Clock()
        let hears = progress != nil && pthread_equal(pthread_self(), caller) != 0
        var failure: TextFailure?
        var cancelled: Failure?
        while !stops.load(ordering: .relaxed) {
            let run = next.wrappingAdd(1, ordering: .relaxed).oldValue
            if run >= runs.count { break }
            let texts = runs.texts(of: run)
            do throws(TextFailure) {
                try work(&worker, run, texts)
            } catch {
                failure = error
                stops.store(true, ordering: .relaxed)
                break
            }
            let count = done.wrappingAdd(texts.count, ordering: .relaxed).newValue
            guard hears, count < runs.texts, clock.hasTicked() else { continue }
            do throws(Failure) {
                try progress?("tokenize", count, runs.texts)
            } catch {
                cancelled = error
                stops.store(true, ordering: .relaxed)
            }
        }
        outcomes[slot] = Outcome(worker: worker, failure: failure, cancelled: cancelled)
    }
}

/// Tells when a hundredth of a second has passed: as often as anybody wants to hear of progress.
private struct Clock {
    private var next: Int

    init() { next = Self.now + Self.interval }

    mutating func hasTicked() -> Bool {
        let now = Self.now
        if now < next { return false }
        next = now + Self.interval
        return true
    }

    private static let interval = 10_000_000

    private static var now: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
