import CNestling
import Nestling

@c @implementation
public func nestling_generator_create(
    _ model: OpaquePointer?, _ options: UnsafePointer<nestling_generator_options>?,
    _ out_generator: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let model = try object(model, as: Model.self, "model")
        let out = try require(out_generator, "out_generator")
        let values = try NestlingC.options(options, as: nestling_generator_options.self, "nestling_generator_options")
        try requireZero(reserved: values.reserved)
        var options = TextGenerator.Options()
        switch Int(values.cache) {
        case Int(NESTLING_CACHE_DEFAULT): break
        case Int(NESTLING_CACHE_FLOAT32): options.cacheType = .float32
        case Int(NESTLING_CACHE_BFLOAT16): options.cacheType = .bfloat16
        case Int(NESTLING_CACHE_INT8): options.cacheType = .int8
        default: throw .argument("cache \(values.cache) is not a NESTLING_CACHE_...")
        }
        if values.cache_limit != 0 { options.cacheLimit = Int(clamping: values.cache_limit) }
        if values.memory_limit != 0 { options.memoryLimit = Int(clamping: values.memory_limit) }
        if values.slice_tokens != 0 { options.steps.sliceTokens = Int(values.slice_tokens) }
        if values.maximum_requests != 0 { options.steps.maximumRequests = Int(values.maximum_requests) }
        guard (0...1024).contains(values.thread_count) else {
            throw .argument("thread_count \(values.thread_count) is not in 0 ... 1024")
        }
        if values.thread_count != 0 { options.threadCount = Int(values.thread_count) }
        out.pointee = handle(try TextGenerator(model, options: options))
    }
}

@c @implementation
public func nestling_generator_release(_ generator: OpaquePointer?) { release(generator) }

@c @implementation
public func nestling_generator_add(
    _ generator: OpaquePointer?, _ token_ids: UnsafePointer<Int32>?, _ count: Int,
    _ options: UnsafePointer<nestling_generation_options>?, _ out_request: UnsafeMutablePointer<UInt64>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let generator = try object(generator, as: TextGenerator.self, "generator")
        try checkCount(count, "count")
        let ids = count == 0 ? [] : Array(UnsafeBufferPointer(start: try require(token_ids, "token_ids"), count: count))
        try GenerationArguments(options).add(ids, to: generator, out_request)
    }
}

@c @implementation
public func nestling_generator_add_text(
    _ generator: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ length: Int,
    _ options: UnsafePointer<nestling_generation_options>?, _ out_request: UnsafeMutablePointer<UInt64>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let generator = try object(generator, as: TextGenerator.self, "generator")
        let ids = try generator.model.tokenize(prompt: try textBytes(text, length, "text"))
        try GenerationArguments(options).add(ids, to: generator, out_request)
    }
}

@c @implementation
public func nestling_generator_step(
    _ generator: OpaquePointer?, _ progress: nestling_progress?, _ user_data: UnsafeMutableRawPointer?,
    _ out_remaining: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let generator = try object(generator, as: TextGenerator.self, "generator")
        try generator.step(progress: NestlingC.progress(progress, user_data))
        out_remaining?.pointee = generator.requests
    }
}

@c @implementation
public func nestling_generator_cancel(_ generator: OpaquePointer?, _ request: UInt64) -> nestling_status {
    reporting { () throws(NestlingError) in
        let generator = try object(generator, as: TextGenerator.self, "generator")
        guard try generator.cancel(Int(clamping: request)) else { throw ended(request) }
    }
}

private func ended(_ request: UInt64) -> NestlingError {
    NestlingError(.notFound, "there is no running text \(request)")
}

@c @implementation
public func nestling_generator_describe(
    _ generator: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let generator = try object(generator, as: TextGenerator.self, "generator")
        try deliver(generator.description.serialized(), buffer, inout_count)
    }
}

@c @implementation
public func nestling_generator_score(
    _ generator: OpaquePointer?, _ token_ids: UnsafePointer<Int32>?, _ offsets: UnsafePointer<Int>?,
    _ sequence_count: Int, _ progress: nestling_progress?, _ user_data: UnsafeMutableRawPointer?,
    _ log_probabilities: UnsafeMutablePointer<Double>?, _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let generator = try object(generator, as: TextGenerator.self, "generator")
        try checkCount(sequence_count, "sequence_count")
        let offsets = UnsafeBufferPointer(start: try require(offsets, "offsets"), count: sequence_count + 1)
        let tokens = offsets[sequence_count]
        guard (0...Int(Int32.max)).contains(tokens), offsets[0] == 0 else {
            throw .argument("offsets run from \(offsets[0]) to \(UInt(bitPattern: tokens)), which cannot be meant")
        }
        let count = try require(inout_count, "inout_count")
        if let output = try fits(tokens, log_probabilities, count, "numbers") {
            let ids = UnsafeBufferPointer(start: tokens == 0 ? nil : try require(token_ids, "token_ids"), count: tokens)
            var sequences: [[Int32]] = []
            for index in 0..<sequence_count {
                guard offsets[index] <= offsets[index + 1], offsets[index + 1] <= tokens else {
                    throw .argument("offsets fall after sequence \(index)")
                }
                sequences.append(Array(ids[offsets[index]..<offsets[index + 1]]))
            }
            let results = try generator.logProbabilities(sequences, progress: NestlingC.progress(progress, user_data))
            for (index, result) in results.enumerated() {
                output[offsets[index]] = 0
                for (position, value) in result.enumerated() { output[offsets[index] + position + 1] = value }
            }
        }
        count.pointee = tokens
    }
}

// MARK: - Sequences

@c @implementation
public func nestling_generator_get_sequence(
    _ generator: OpaquePointer?, _ request: UInt64, _ out_sequence: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let generator = try object(generator, as: TextGenerator.self, "generator")
        let out = try require(out_sequence, "out_sequence")
        guard let sequence = try generator.sequence(of: Int(clamping: request)) else { throw ended(request) }
        out.pointee = handle(sequence)
    }
}

@c @implementation
public func nestling_sequence_save(
    _ sequence: OpaquePointer?, _ buffer: UnsafeMutableRawPointer?, _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let sequence = try object(sequence, as: CachedSequence.self, "sequence")
        let count = try require(inout_count, "inout_count")
        let needed = sequence.savedBytes
        let bytes = buffer?.assumingMemoryBound(to: UInt8.self)
        if let bytes = try fits(needed, bytes, count, "bytes") { sequence.save(to: UnsafeMutableRawPointer(bytes)) }
        count.pointee = needed
    }
}

@c @implementation
public func nestling_generator_restore(
    _ generator: OpaquePointer?, _ data: UnsafeRawPointer?, _ size: Int,
    _ out_sequence: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let generator = try object(generator, as: TextGenerator.self, "generator")
        let out = try require(out_sequence, "out_sequence")
        guard size >= 0 else { throw .argument("size \(UInt(bitPattern: size)) cannot be meant") }
        let data = UnsafeRawBufferPointer(start: try require(data, "data"), count: size)
        out.pointee = handle(try generator.restore(data))
    }
}

@c @implementation
public func nestling_sequence_tokens(_ sequence: OpaquePointer?) -> Int {
    guard let sequence else { return 0 }
    return Unmanaged<CachedSequence>.fromOpaque(UnsafeRawPointer(sequence)).takeUnretainedValue().tokens
}

@c @implementation
public func nestling_sequence_release(_ sequence: OpaquePointer?) { release(sequence) }
