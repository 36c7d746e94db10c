import NestlingBasics
import NestlingBlocks
import NestlingModels
import Synchronization
import NestlingTestSupport
import Testing

/// A runner after trouble is a runner like any other; and it has one user at a time.
@Suite struct RunnerTests {
    private let network: Network
    private let sequences: TokenSequences
    private let request: Request
    private let expected: [[Float]]

    init() throws {
        network = try openNetwork("bert/base")
        sequences = TokenSequences(for: network, lengths: [3, 17, 1, 30], seed: 1)
        request = .states(layer: network.blocks.count, unmerged: false)
        expected = try network.runner().run(sequences, request)
    }

    @Test(arguments: [nil, #"{"method":"tome","r":2}"#]) func stoppingAnywhere(_ reduction: String?) throws {
        let reducer = try reduction.map { text in try Reducers.reducer(json: text) }
        let whole = try network.runner().run(sequences, request, reducer: reducer)
        let runner = network.runner(sliceTokens: 16)
        var calls: [(done: Int, total: Int)] = []
        _ = try runner.run(sequences, request, reducer: reducer) { stage, done, total throws(Failure) in
            #expect(stage == "encode")
            calls.append((done, total))
        }
        #expect(calls.count > network.blocks.count)
        #expect(calls.allSatisfy { $0.total == sequences.count } && calls.last?.done == sequences.count)
        #expect(zip(calls, calls.dropFirst()).allSatisfy { $0.done <= $1.done })
        for stop in calls.indices {
            var call = 0
            let failure = failure {
                try runner.run(sequences, request, reducer: reducer) { _, _, _ throws(Failure) in
                    defer { call += 1 }
                    if call == stop { throw Failure(.cancelled, "enough") }
                }
            }
            #expect(failure == Failure(.cancelled, "enough"))
            #expect(call == stop + 1)
            let map = NestlingTestSupport.failure { try runner.tokenMap(layer: nil) }
            #expect(map?.kind == .notFound)
            expectSameBits(try runner.run(sequences, request, reducer: reducer), whole, "after stop \(stop)")
        }
    }

    @Test func theCallbackMayNotRun() throws {
        let runner = network.runner()
        var refusals: [Failure?] = []
        let found = try runner.run(sequences, request) { _, _, _ throws(Failure) in
            refusals.append(failure { try runner.run(sequences, request) })
            refusals.append(failure { try runner.tokenMap(layer: nil) })
        }
        #expect(
            refusals.count >= 2 && refusals.allSatisfy { $0?.kind == .invalidArgument && $0?.message.isEmpty == false })
        expectSameBits(found, expected, "despite refused calls")
    }

    @Test func aSecondThreadIsRefused() async throws {
        let (runner, sequences, request) = (network.runner(), sequences, request)
        let flags = Flags()
        async let second: Failure? = {
            flags.waitUntilRunning()
            let failure = failure { try runner.run(sequences, request) }
            flags.isRefused.store(true, ordering: .releasing)
            return failure
        }()
        let found = try runner.run(sequences, request) { _, _, _ throws(Failure) in
            flags.isRunning.store(true, ordering: .releasing)
            flags.waitUntilRefused()
        }
        #expect(await second?.kind == .invalidArgument)
        expectSameBits(found, expected, "despite the second thread")
    }

    @Test func memoryLimits() throws {
        let needed = try network.workspaceFloats(StreamExtent(rows: 51, sequences: 4), request, reducer: nil) * 4
        let enough = network.runner(memoryLimit: needed)
        expectSameBits(try enough.run(sequences, request), expected, "just enough")
        let little = network.runner(memoryLimit: needed - 1)
        let failure = failure { try little.run(sequences, request) }
        #expect(failure?.kind == .outOfMemory)
        #expect(failure?.message.contains("\(needed)") == true)
        // Shorter batches still run, and so do slices.
        expectSameBits(try little.run(sequences[0], request), [expected[0]], "a short one")
        let sliced = network.runner(sliceTokens: 30, memoryLimit: needed - 1)
        expectSameBits(try sliced.run(sequences, request), expected, "in slices")
    }

    /// The matrices of many-to-many maps count, too: one of each layer, the softmax that it is made of with rows of whole cache
    /// lines, the keys of those that stay, and the product with the maps before it.
    @Test func matricesOfTokenMapsCount() throws {
        let sequences = TokenSequences(for: network, lengths: [100], seed: 3)
        let reducer = try Reducers.reducer(json: #"{"method":"token_transforming","r":40,"layers":[1]}"#)
        let workspace = try network.workspaceFloats(
            StreamExtent(rows: 100, sequences: 1), request, reducer: ReducerNeeds(reducer))
        let keySize = network.outline.layers[0].keySize
        let needed = 4 * (workspace + 100 * 60 + 100 * 64 + 60 * keySize + 100 * 60)
        let expected = try network.runner().run(sequences, request, reducer: reducer)
        let enough = try network.runner(memoryLimit: needed).run(sequences, request, reducer: reducer)
        expectSameBits(enough, expected, "just enough")
        let little = network.runner(memoryLimit: needed - 1)
        let failure = failure { try little.run(sequences, request, reducer: reducer) }
        #expect(failure?.kind == .outOfMemory && failure?.message.contains("\(needed)") == true)
        // Also when the workspace is there already.
        _ = try little.run(sequences, request)
        #expect(
            NestlingTestSupport.failure { try little.run(sequences, request, reducer: reducer) }?.kind == .outOfMemory)
    }

    /// What a run takes never passes what was reserved: for every request, in every family.
    @Test(arguments: GoldenTests.checkpoints) func reservesEnough(_ directory: String) throws {
        let network = try openNetwork(directory)
        let sequences = TokenSequences(for: network, lengths: [1, 5, 16], seed: 2)
        let reducer = try Reducers.reducer(json: #"{"method":"tome","r":1}"#)
        let heads = network.weights.architecture.heads.keys
        let requests =
            [Request.vectors(VectorOptions()), .states(layer: 0, unmerged: true), .states(layer: 1, unmerged: true)]
            + heads.map { .scores($0, unmerged: false) } + heads.map { .scores($0, unmerged: true) }
        for request in requests {
            // The tokens of Gemma 3n cannot be reduced.
            for reducer in directory.hasPrefix("gemma3n/") ? [nil] : [nil, reducer] {
                // A fresh runner has reserved for this request alone.
                let results = try network.runner().run(sequences, request, reducer: reducer)
                let isFinite = results.allSatisfy { $0.allSatisfy { $0.isFinite } && !$0.isEmpty }
                #expect(isFinite)
            }
        }
    }
}

/// What two threads tell each other.
private final class Flags: Sendable {
    let isRunning = Atomic(false)
    let isRefused = Atomic(false)

    func waitUntilRunning() { while !isRunning.load(ordering: .acquiring) { continue } }
    func waitUntilRefused() { while !isRefused.load(ordering: .acquiring) { continue } }
}
