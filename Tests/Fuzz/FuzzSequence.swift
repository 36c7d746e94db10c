import NestlingBasics
import NestlingBlocks
import NestlingCheckpoints
import NestlingGeneration
import Glibc
import NestlingModels

/// Tiny decoders, each with every type of cache: the second has a window, and layers that share keys. The program runs where the
/// repository begins.
private let decoders: [Decoder] = {
    do throws(Failure) {
        var decoders: [Decoder] = []
        for name in ["llama", "gemma3n"] {
            let source = try DirectorySource(path: "Tests/Fixtures/\(name)/causal-lm")
            let network = try Network(loading: CheckpointDescription(source), progress: nil)
            for type in CacheType.allCases {
                decoders.append(
                    try Decoder(network, cacheType: type, threads: 1, memoryLimit: 64 << 20, cacheLimit: 4 << 20))
            }
        }
        return decoders
    } catch {
        fatalError(error.message)
    }
}()

/// With `FUZZ_SEEDS` in the environment, writes saved sequences to that folder, and ends.
@_cdecl("LLVMFuzzerInitialize")
func makeSeeds(_ count: UnsafePointer<Int32>?, _ arguments: UnsafeRawPointer?) -> Int32 {
    guard let folder = getenv("FUZZ_SEEDS") else { return 0 }
    for (choice, decoder) in decoders.enumerated() {
        for length in [0, 3, 70] {
            let sequence = decoder.makeSequence(plannedTokens: 90)
            attempt { () throws(Failure) in
                if length > 0 { try append(Array(repeating: 2, count: length), to: sequence, decoder) }
            }
            guard let file = fopen("\(String(cString: folder))/\(choice)-\(length)", "w") else {
                fatalError("no folder for seeds")
            }
            let bytes = [UInt8(choice)] + saved(sequence)
            guard fwrite(bytes, 1, bytes.count, file) == bytes.count, fclose(file) == 0 else { fatalError("no seed") }
        }
    }
    exit(0)
}

/// The first byte chooses a decoder, the others are a saved sequence: a failure, or a sequence that can be used.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzSequence(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let input = UnsafeRawBufferPointer(start: data, count: size)
    guard let choice = input.first else { return 0 }
    let decoder = decoders[Int(choice) % decoders.count]
    let memory = UnsafeRawBufferPointer(rebasing: input.dropFirst())
    attempt { () throws(Failure) in
        let sequence = try CachedSequence(restoring: memory, decoder.layout, decoder.pool)
        guard saved(sequence).elementsEqual(memory) else { fatalError("what is saved again is something else") }
        attempt { () throws(Failure) in try append([1], to: sequence.fork(), decoder) }
        attempt { () throws(Failure) in
            let fork = sequence.fork()
            try fork.truncate(to: fork.tokens / 2)
            try append([1, 2, 3], to: fork, decoder)
        }
        attempt { () throws(Failure) in
            var request = GenerationRequest(prompt: sequence.ids.suffix(100) + [1], maximumNewTokens: 2)
            request.prefix = sequence
            request.draft = .promptLookup(match: 2, tokens: 2)
            let generator = Generator(decoder)
            _ = try generator.add(request)
            while generator.requests > 0 { _ = try generator.step() }
        }
    }
    guard decoder.pool.usedBytes == 0 else { fatalError("pages that nobody has") }
    return 0
}

/// Adds `tokens` to `sequence`, of which the last is scored.
private func append(_ tokens: [Int32], to sequence: CachedSequence, _ decoder: Decoder) throws(Failure) {
    let scores = UnsafeMutablePointer<Float>.allocate(capacity: decoder.vocabularySize)
    defer { scores.deallocate() }
    try decoder.step([Decoder.Part(sequence, tokens[...], scored: 1)], into: scores)
}

private func saved(_ sequence: CachedSequence) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: sequence.savedBytes) { bytes, count in
        count = sequence.savedBytes
        if let base = bytes.baseAddress { sequence.save(to: base) }
    }
}

private func attempt(_ body: () throws(Failure) -> Void) {
    do throws(Failure) {
        try body()
    } catch {
        guard !error.message.isEmpty, !error.message.utf8.contains(0x0A), error.kind != .internal else {
            fatalError("a message on several lines, or a mistake of ours: \(error)")
        }
    }
}
