import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import Glibc
import NestlingModels

/// Checkpoints whose tensors are sound, so that only the description is in doubt.
private let families = ["bert", "albert", "modernbert", "mpnet", "roberta", "gte", "distilbert", "electra"]

/// A fixture's `model.safetensors`, read once. The program runs where the repository begins.
private let weights: [FileBytes] = families.map { family in
    do throws(Failure) {
        guard let file = try DirectorySource(path: "Tests/Fixtures/\(family)/base").file("model.safetensors") else {
            fatalError("no weights of \(family)")
        }
        return file
    } catch {
        fatalError(error.message)
    }
}

/// The first byte chooses tensors; the rest, cut at NUL bytes, is `config.json` and `nestling.json`. What the description
/// says is checked against the tensors; if it holds, the network is built, runs two tokens, and merges them.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzConfig(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let input = UnsafeRawBufferPointer(start: data, count: size)
    guard let choice = input.first else { return 0 }
    let parts = input.dropFirst().split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    var files = [(name: "model.safetensors", bytes: weights[Int(choice) % weights.count].bytes)]
    for (name, part) in zip(["config.json", NestlingSettings.fileName], parts) where !part.isEmpty {
        files.append((name, UnsafeRawBufferPointer(rebasing: part)))
    }
    do throws(Failure) {
        let source = MemorySource(files: files)
        let check = try CheckpointCheck(source, values: false)
        for problem in check.problems where problem.isEmpty || problem.utf8.contains(0x0A) {
            fatalError("a problem on no line or several")
        }
        guard check.problems.isEmpty else { return 0 }
        let network = try Network(loading: CheckpointDescription(source), progress: nil)
        guard network.blocks.count <= 16, network.weights.embedding.maximumTokens ?? 5 >= 5 else { return 0 }
        try run(network, reducer: nil)
        for method in ["tome", "attention_received", "token_transforming", "maelre"] {
            try run(network, reducer: Reducers.reducer(json: #"{"method":"\#(method)","r":1}"#))
        }
    } catch {
        guard !error.message.isEmpty, !error.message.utf8.contains(0x0A), error.kind != .internal else {
            fatalError("a message on several lines, or a mistake of ours: \(error)")
        }
    }
    return 0
}

/// Runs five tokens for everything that the network gives.
private func run(_ network: Network, reducer: (any Reducer)?) throws(Failure) {
    let runner = Runner(network, sliceTokens: 64, threads: 1, memoryLimit: 64 << 20)
    let heads = network.weights.architecture.heads.keys.map { Request.scores($0, unmerged: false) }
    for request in [.vectors(VectorOptions()), .states(layer: network.blocks.count, unmerged: false)] + heads {
        let ids = [Int32](repeating: 0, count: 5)
        let offsets = [0, 5]
        var failure: Failure?
        ids.withUnsafeBufferPointer { ids in
            offsets.withUnsafeBufferPointer { offsets in
                do throws(Failure) {
                    let batch = Batch(ids: ids, types: UnsafeBufferPointer(start: nil, count: 0), offsets: offsets)
                    let shape = try ResultShape(batch, request, reducer: reducer, network)
                    let output = UnsafeMutablePointer<Float>.allocate(capacity: max(1, try shape.elementCount()))
                    defer { output.deallocate() }
                    try runner.run(batch, request, shape: shape, reducer: reducer, into: output, progress: nil)
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
    }
}
