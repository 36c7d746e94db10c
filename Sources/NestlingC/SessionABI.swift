import CNestling
import Nestling

/// The caller's token ids and offsets as a batch, not yet checked beyond what can be looked at safely.
private func batch(
    _ ids: UnsafePointer<Int32>?, _ offsets: UnsafePointer<Int>?, _ count: Int, _ types: UnsafePointer<Int32>?
) throws(NestlingError) -> Batch {
    try checkCount(count, "sequence_count")
    let offsets = UnsafeBufferPointer(start: try require(offsets, "offsets"), count: count + 1)
    let tokens = offsets[count]
    guard (0...Int(Int32.max)).contains(tokens) else {
        throw .argument("offsets end at \(UInt(bitPattern: tokens)), which cannot be meant")
    }
    guard tokens == 0 || ids != nil else { throw .argument("token_ids is NULL") }
    return Batch(
        ids: UnsafeBufferPointer(start: ids, count: tokens),
        types: UnsafeBufferPointer(start: types, count: types == nil ? 0 : tokens), offsets: offsets)
}

/// Runs `request` and delivers its result by the size idiom. `batch` tells the shape of the result; `filled` gives it when it
/// is run.
func run(
    _ session: Session, _ batch: Batch, filled: (() throws(NestlingError) -> Batch)? = nil, _ request: Request,
    _ options: RunOptions, _ output: UnsafeMutablePointer<Float>?, _ inout_count: UnsafeMutablePointer<Int>?,
    _ out_offsets: UnsafeMutablePointer<Int>?
) throws(NestlingError) {
    let count = try require(inout_count, "inout_count")
    let shape = try ResultShape(batch, request, reducer: options.reducer, session.model.network)
    let needed = try shape.elementCount()
    if let output = try fits(needed, output, count, "floats") {
        try session.run(
            try filled?() ?? batch, request, shape: shape, reduction: options.reducer, into: output,
            progress: options.progress)
    }
    count.pointee = needed
    if let out_offsets {
        for (index, offset) in shape.offsets.enumerated() { out_offsets[index] = offset }
    }
}

private func sessionOptions(
    _ pointer: UnsafePointer<nestling_session_options>?
) throws(NestlingError) -> Session.Options {
    let values = try options(pointer, as: nestling_session_options.self, "nestling_session_options")
    try requireZero(reserved: values.reserved)
    var options = Session.Options()
    if values.slice_tokens != 0 { options.sliceTokens = Int(values.slice_tokens) }
    if values.memory_limit != 0 { options.memoryLimit = Int(clamping: values.memory_limit) }
    guard (0...1024).contains(values.thread_count) else {
        throw .argument("thread_count \(values.thread_count) is not in 0 ... 1024")
    }
    if values.thread_count != 0 { options.threadCount = Int(values.thread_count) }
    return options
}

@c @implementation
public func nestling_session_estimate(
    _ model: OpaquePointer?, _ options: UnsafePointer<nestling_session_options>?, _ tokens: UInt32,
    _ out_bytes: UnsafeMutablePointer<UInt64>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let model = try object(model, as: Model.self, "model")
        let out = try require(out_bytes, "out_bytes")
        let options = try sessionOptions(options)
        out.pointee = UInt64(try Session.estimate(model, tokens: tokens == 0 ? options.sliceTokens : Int(tokens)))
    }
}

@c @implementation
public func nestling_session_create(
    _ model: OpaquePointer?, _ options: UnsafePointer<nestling_session_options>?,
    _ out_session: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let model = try object(model, as: Model.self, "model")
        let out = try require(out_session, "out_session")
        out.pointee = handle(Session(model, options: try sessionOptions(options)))
    }
}

@c @implementation
public func nestling_session_release(_ session: OpaquePointer?) { release(session) }

@c @implementation
public func nestling_session_encode(
    _ session: OpaquePointer?, _ token_ids: UnsafePointer<Int32>?, _ offsets: UnsafePointer<Int>?,
    _ sequence_count: Int, _ options: UnsafePointer<nestling_run_options>?, _ vectors: UnsafeMutablePointer<Float>?,
    _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let session = try object(session, as: Session.self, "session")
        let options = try RunOptions(options)
        let batch = try batch(token_ids, offsets, sequence_count, options.values.token_type_ids)
        try run(session, batch, .vectors(try options.vectors()), options, vectors, inout_count, nil)
    }
}

@c @implementation
public func nestling_session_encode_texts(
    _ session: OpaquePointer?, _ texts: UnsafePointer<UnsafePointer<CChar>?>?, _ lengths: UnsafePointer<Int>?,
    _ sequence_count: Int, _ options: UnsafePointer<nestling_run_options>?, _ vectors: UnsafeMutablePointer<Float>?,
    _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let session = try object(session, as: Session.self, "session")
        let options = try RunOptions(options)
        let count = try require(inout_count, "inout_count")
        var vectorOptions = try options.vectors()
        guard options.values.token_type_ids == nil else { throw .argument("token_type_ids cannot be given for texts") }
        try checkCount(sequence_count, "sequence_count")
        let texts = try textList(texts, lengths, sequence_count)
        if vectors == nil {
            count.pointee = try ResultShape.vectorElements(sequence_count, vectorOptions, session.model.network)
            return
        }
        let (tokens, skipped) = try session.model.tokenize(
            texts, prompt: try prompt(options.values), threadCount: session.threadCount)
        vectorOptions.skippedTokens = skipped
        try tokens.withBatch { batch throws(NestlingError) in
            try run(session, batch, .vectors(vectorOptions), options, vectors, inout_count, nil)
        }
    }
}

private func prompt(_ options: nestling_run_options) throws(NestlingError) -> Prompt {
    let text = try optionalText(options.prompt, "prompt")
    let name = try optionalText(options.prompt_name, "prompt_name")
    switch (text, name) {
    case (nil, nil): return .standard
    case (let text?, nil): return .text(text)
    case (nil, let name?): return .named(name)
    default: throw .argument("prompt and prompt_name exclude each other")
    }
}

@c @implementation
public func nestling_session_hidden_states(
    _ session: OpaquePointer?, _ token_ids: UnsafePointer<Int32>?, _ offsets: UnsafePointer<Int>?,
    _ sequence_count: Int, _ options: UnsafePointer<nestling_run_options>?, _ states: UnsafeMutablePointer<Float>?,
    _ inout_count: UnsafeMutablePointer<Int>?, _ out_offsets: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let session = try object(session, as: Session.self, "session")
        let options = try RunOptions(options)
        let batch = try batch(token_ids, offsets, sequence_count, options.values.token_type_ids)
        let request = Request.states(layer: try options.layer(of: session.model), unmerged: try options.unmerged())
        try run(session, batch, request, options, states, inout_count, out_offsets)
    }
}

@c @implementation
public func nestling_session_logits(
    _ session: OpaquePointer?, _ token_ids: UnsafePointer<Int32>?, _ offsets: UnsafePointer<Int>?,
    _ sequence_count: Int, _ options: UnsafePointer<nestling_run_options>?, _ logits: UnsafeMutablePointer<Float>?,
    _ inout_count: UnsafeMutablePointer<Int>?, _ out_offsets: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let session = try object(session, as: Session.self, "session")
        let options = try RunOptions(options)
        let batch = try batch(token_ids, offsets, sequence_count, options.values.token_type_ids)
        let head = try session.model.head(try options.head())
        let request = Request.scores(head, unmerged: try options.unmerged())
        try run(session, batch, request, options, logits, inout_count, out_offsets)
    }
}

@c @implementation
public func nestling_session_token_map(
    _ session: OpaquePointer?, _ layer: UInt32, _ map: UnsafeMutablePointer<Int32>?,
    _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let session = try object(session, as: Session.self, "session")
        let count = try require(inout_count, "inout_count")
        let rows = try session.tokenMap(layer: layer == 0 ? nil : Int(layer))
        if let map = try fits(rows.count, map, count, "entries") {
            for (index, row) in rows.enumerated() { map[index] = row }
        }
        count.pointee = rows.count
    }
}
