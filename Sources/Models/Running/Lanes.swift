import NestlingBasics
import NestlingBlocks
import Glibc
import Synchronization
import NestlingTensors

/// Groups of sequences that run apart: threads, each with a context of its own, take one group after the other.
final class Lanes: @unchecked Sendable {
    private enum Outcome {
        case result(Reduction?)
        case failure(Failure)
    }

    private let pass: ForwardPass
    private let groups: [Range<Int>]
    private let progress: ProgressHandler?
    private let caller = pthread_self()
    private let next = Atomic<Int>(0)
    private let stops = Atomic<Bool>(false)
    private let sequencesDone: Atomic<Int>
    /// One for each group, written by the thread that runs it and read when all have ended.
    private let outcomes: UnsafeMutableBufferPointer<Outcome?>

    /// Will run `groups`, in about this order; `progress` hears of them on the calling thread only, as if so many sequences
    /// had been done before.
    init(_ pass: ForwardPass, _ groups: [Range<Int>], sequencesDone: Int, _ progress: ProgressHandler?) {
        self.pass = pass
        self.groups = groups
        self.progress = progress
        self.sequencesDone = Atomic(sequencesDone)
        outcomes = .allocate(capacity: groups.count)
        outcomes.initialize(repeating: nil)
    }

    deinit {
        outcomes.deinitialize()
        outcomes.deallocate()
    }

    /// Runs them on as many threads as there are contexts.
    func run(_ contexts: ArraySlice<ForwardContext>) throws(Failure) -> [(group: Range<Int>, reduction: Reduction?)] {
        parallel(contexts.count, threads: contexts.count) { lane in
            work(in: contexts[contexts.startIndex + lane])
        }
        var results: [(group: Range<Int>, reduction: Reduction?)] = []
        for (group, outcome) in zip(groups, outcomes) {
            switch outcome {
            case .result(let reduction): results.append((group, reduction))
            case .failure(let failure): throw failure
            case nil: break  // another one failed
            }
        }
        return results
    }

    private func work(in context: ForwardContext) {
        let hears = progress != nil && pthread_equal(pthread_self(), caller) != 0
        while !stops.load(ordering: .relaxed) {
            let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard index < groups.count else { return }
            do throws(Failure) {
                let reduction = try pass.run(groups[index], context) { () throws(Failure) in
                    if hears { try progress?("encode", sequencesDone.load(ordering: .relaxed), pass.batch.sequences) }
                }
                outcomes[index] = .result(reduction)
                sequencesDone.wrappingAdd(groups[index].count, ordering: .relaxed)
            } catch {
                outcomes[index] = .failure(error)
                stops.store(true, ordering: .relaxed)
            }
        }
    }
}
