import NestlingBasics
import NestlingTestSupport
import Testing

@testable import NestlingModels

/// Sequences are shared among threads so that each runs once, lanes have room, and nobody waits long for the last.
@Suite struct ScheduleTests {
    private static func schedule(_ lengths: [Int], threads: Int, slice: Range<Int>? = nil) -> Schedule {
        let offsets = lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
        let ids = [Int32](repeating: 0, count: offsets[lengths.count])
        return ids.withUnsafeBufferPointer { ids in
            offsets.withUnsafeBufferPointer { offsets in
                let batch = Batch(ids: ids, types: UnsafeBufferPointer(start: nil, count: 0), offsets: offsets)
                return Schedule(batch, slice ?? 0..<lengths.count, hiddenSize: 384, threads: threads)
            }
        }
    }

    @Test func laws() {
        var generator = SeededGenerator(17)
        for round in 0..<300 {
            let most = [4, 40, 300, 1000].randomElement(using: &generator) ?? 4
            let lengths = (0..<Int.random(in: 1...90, using: &generator)).map { _ in
                Int.random(in: 1...most, using: &generator)
            }
            let threads = Int.random(in: 1...9, using: &generator)
            let first = Int.random(in: 0..<lengths.count, using: &generator)
            let schedule = Self.schedule(lengths, threads: threads, slice: first..<lengths.count)
            let sequences = (schedule.apart + schedule.together).flatMap { Array($0) }.sorted()
            #expect(sequences == Array(first..<lengths.count), "round \(round)")
            #expect(schedule.lanes <= max(1, schedule.apart.count) && schedule.lanes <= threads, "round \(round)")
            let tokens = lengths[first...].reduce(0, +)
            let largest = schedule.apart.map { lengths[$0].reduce(0, +) }.max() ?? 0
            #expect(schedule.lanes * largest <= tokens, "round \(round)")
            #expect(schedule.apart.isEmpty || schedule.lanes > 1, "round \(round)")
        }
    }

    @Test func evenWorkRunsApart() {
        #expect(Self.schedule([Int](repeating: 128, count: 8), threads: 2).apart.count == 8)
        #expect(Self.schedule([Int](repeating: 128, count: 64), threads: 16).together.isEmpty)
    }

    /// Two of three run apart; for the third both threads join.
    @Test func whatIsLeftOverRunsTogether() {
        let schedule = Self.schedule([128, 128, 128], threads: 2)
        #expect(schedule.apart.count == 2 && schedule.together.count == 1)
    }

    @Test func littleOrOneSequenceRunsTogether() {
        #expect(Self.schedule([512], threads: 2).together == [0..<1])
        #expect(Self.schedule([16, 16, 16], threads: 2).together == [0..<3])
        #expect(Self.schedule([2000, 10, 10], threads: 2).together == [0..<3])
    }

    /// What runs apart reports progress, stops, names no wrong sequence and leaves the runner as it was.
    @Test(arguments: [nil, #"{"method":"tome","r":2}"#]) func stoppingAnywhere(_ reduction: String?) throws {
        let network = try openNetwork("bert/base")
        let reducer = try reduction.map { text in try Reducers.reducer(json: text) }
        let lengths = (0..<40).map { 20 + $0 % 7 }
        let sequences = TokenSequences(for: network, lengths: lengths, seed: 3)
        #expect(Self.schedule(lengths, threads: 2).apart.count > 4)
        let request = Request.states(layer: network.blocks.count, unmerged: false)
        let expected = try (0..<sequences.count).flatMap {
            try network.runner(threads: 1).run(sequences[$0], request, reducer: reducer)
        }
        let runner = network.runner(threads: 2)
        var calls: [Int] = []
        let found = try runner.run(sequences, request, reducer: reducer) { _, done, total throws(Failure) in
            #expect(total == sequences.count)
            calls.append(done)
        }
        expectSameBits(found, expected, "apart")
        #expect(calls == calls.sorted() && calls.last == sequences.count)
        for stop in stride(from: 0, to: calls.count, by: 5) {
            var call = 0
            let failure = failure {
                try runner.run(sequences, request, reducer: reducer) { _, _, _ throws(Failure) in
                    defer { call += 1 }
                    if call >= stop { throw Failure(.cancelled, "enough") }
                }
            }
            // The calling thread hears of its own groups only: in some runs it has so few that it never stops.
            #expect(call <= stop ? failure == nil : failure == Failure(.cancelled, "enough") && call == stop + 1)
            expectSameBits(try runner.run(sequences, request, reducer: reducer), expected, "after stop \(stop)")
        }
        let maps = try runner.maps(sequences)
        for index in [0, 17, 39] {
            let alone = network.runner(threads: 1)
            _ = try alone.run(sequences[index], request, reducer: reducer)
            #expect(try alone.maps(sequences[index]) == [maps[index]])
        }
    }
}
