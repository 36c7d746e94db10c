import Glibc
import NestlingKernels
import Synchronization
import Testing

/// Counts how often each index was visited.
private final class Visits: Sendable {
    let counts: [Counter]
    final class Counter: Sendable { let value = Atomic<Int>(0) }
    init(_ count: Int) { counts = (0..<count).map { _ in Counter() } }
    func all(_ expected: Int) -> Bool { counts.allSatisfy { $0.value.load(ordering: .relaxed) == expected } }
    var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
    static func from(_ context: UnsafeMutableRawPointer?) -> Visits {
        Unmanaged<Visits>.fromOpaque(context!).takeUnretainedValue()
    }
}

private let visit: nk_body = { begin, end, context in
    let visits = Visits.from(context)
    for index in begin..<end { visits.counts[index].value.add(1, ordering: .relaxed) }
}

/// Each of two chunks waits until the other has begun, so both end well only if two threads run. Gives up after 10 s.
private let meet: nk_body = { begin, _, context in
    let visits = Visits.from(context)
    visits.counts[begin].value.add(1, ordering: .sequentiallyConsistent)
    for _ in 0..<100_000 {
        if visits.counts[1 - begin].value.load(ordering: .sequentiallyConsistent) > 0 { return }
        usleep(100)
    }
    visits.counts[begin].value.store(-1, ordering: .sequentiallyConsistent)
}

/// The first of ten chunks waits until the others are done, so it ends well only if another thread takes them over. Gives up
/// after 10 s.
private let waitForTheRest: nk_body = { begin, _, context in
    let visits = Visits.from(context)
    if begin == 0 {
        var turns = 0
        while (1..<10).contains(where: { visits.counts[$0].value.load(ordering: .sequentiallyConsistent) == 0 }) {
            turns += 1
            if turns == 100_000 { return }
            usleep(100)
        }
    }
    visits.counts[begin].value.add(1, ordering: .sequentiallyConsistent)
}

extension KernelTests {
    @Suite struct Parallel {
        @Test(arguments: [2, 3, 9] as [Int32]) func workersRunBesideTheCaller(threads: Int32) {
            withThreads(threads) {
                for _ in 0..<10 {
                    let visits = Visits(2)
                    nk_parallel_for(2, 1, 0, meet, visits.context)
                    #expect(visits.all(1))
                }
            }
        }

        @Test(arguments: [1, 2, 3, 5, 16] as [Int32]) func everyIndexOnce(threads: Int32) {
            withThreads(threads) {
                #expect(nk_thread_count() == threads)
                for count in [0, 1, 2, 7, 100, 1000] {
                    for grain in [0, 1, 3, 64, 999, 5000] {
                        let visits = Visits(count)
                        for _ in 0..<5 { nk_parallel_for(count, grain, 0, visit, visits.context) }
                        #expect(visits.all(5), "\(count) \(grain)")
                    }
                }
            }
        }

        @Test(arguments: [2, 3, 5] as [Int32]) func whatALateThreadHasLeftIsTaken(threads: Int32) {
            withThreads(threads) {
                let visits = Visits(10)
                nk_parallel_for(10, 1, 0, waitForTheRest, visits.context)
                #expect(visits.all(1))
            }
        }

        @Test func chunksAreWholeGrains() {
            withThreads(3) {
                nk_parallel_for(
                    100, 8, 0, { begin, end, _ in #expect(begin % 8 == 0 && end == min(begin + 8, 100)) }, nil)
            }
        }

        @Test func nestedCallsRunInline() {
            withThreads(3) {
                let visits = Visits(50)
                nk_parallel_for(
                    20, 1, 0,
                    { begin, end, context in
                        for _ in begin..<end { nk_parallel_for(50, 4, 0, visit, context) }
                    }, visits.context)
                #expect(visits.all(20))
            }
        }

        @Test func severalCallersAtOnce() {
            withThreads(4) {
                var threads = [pthread_t]()
                let visits = (0..<4).map { _ in Visits(300) }
                for item in visits {
                    var thread = pthread_t()
                    pthread_create(
                        &thread, nil,
                        { context in
                            for _ in 0..<200 { nk_parallel_for(300, 7, 0, visit, context) }
                            return nil
                        }, item.context)
                    threads.append(thread)
                }
                for thread in threads { pthread_join(thread, nil) }
                for item in visits { #expect(item.all(200)) }
            }
        }

        /// Workers do not survive a fork; the child starts its own.
        @Test func worksInAForkedChild() throws {
            typealias Fork = @convention(c) () -> Int32
            let fork = unsafeBitCast(try #require(dlsym(nil, "fork")), to: Fork.self)
            withThreads(3) {
                let visits = Visits(500)
                let pair = Visits(2)
                nk_parallel_for(500, 3, 0, visit, visits.context)
                for _ in 0..<5 {
                    let child = fork()
                    if child == 0 {
                        alarm(30)
                        nk_parallel_for(500, 3, 0, visit, visits.context)
                        nk_parallel_for(2, 1, 0, meet, pair.context)
                        _exit(visits.all(2) && pair.all(1) ? 0 : 1)
                    }
                    var status: Int32 = -1
                    #expect(waitpid(child, &status, 0) == child)
                    #expect(status == 0)
                }
                nk_parallel_for(500, 3, 0, visit, visits.context)
                #expect(visits.all(2))
            }
        }

        /// A sleeping pool wakes, and a quick succession of jobs finds all its workers.
        @Test func wakesAfterASleep() {
            withThreads(3) {
                let visits = Visits(64)
                for _ in 0..<20 {
                    nk_parallel_for(64, 1, 0, visit, visits.context)
                    usleep(3000)
                    nk_parallel_for(64, 1, 0, visit, visits.context)
                }
                #expect(visits.all(40))
            }
        }

        @Test func processors() {
            #expect(nk_usable_processors() >= 1)
            #expect(nk_usable_processors() <= sysconf(Int32(_SC_NPROCESSORS_CONF)))
            #expect(nk_thread_count() == nk_usable_processors())
            nk_set_thread_count(1000)
            defer { nk_set_thread_count(0) }
            #expect(nk_thread_count() == 1000)
            #expect(nk_running_threads(0) == nk_usable_processors())
            #expect(nk_running_threads(1000) == nk_usable_processors())
            #expect(nk_running_threads(1) == 1)
        }

        @Test func instructionSets() {
            #expect(nk_isa_select("no such thing") == -1)
            forEachInstructionSet { #expect(String(cString: nk_isa_name()) == $0) }
        }
    }
}
