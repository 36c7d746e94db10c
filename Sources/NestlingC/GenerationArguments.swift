import CNestling
import Nestling

/// The caller's nestling_generation_options.
struct GenerationArguments {
    private let values: nestling_generation_options

    init(_ pointer: UnsafePointer<nestling_generation_options>?) throws(NestlingError) {
        values = try NestlingC.options(pointer, as: nestling_generation_options.self, "nestling_generation_options")
    }

    /// Adds a text that begins with `ids`.
    func add(
        _ ids: [Int32], to generator: TextGenerator, _ out_request: UnsafeMutablePointer<UInt64>?
    ) throws(NestlingError) {
        guard let callback = values.generated else { throw .argument("generated is NULL: nobody would hear the text") }
        let userData = values.user_data
        let options = try generationOptions()
        // The number is known only when the text has been added; nothing is called before it is run.
        let number = RequestNumber()
        var constraint: Constraint?
        if let constrain = values.constrain {
            constraint = { (generated, scores) throws(NestlingError) in
                let stops = Array(generated).withUnsafeBufferPointer { generated in
                    constrain(
                        number.value, generated.baseAddress, generated.count, scores.baseAddress, scores.count, userData
                    )
                }
                if stops != 0 { throw NestlingError(.cancelled, "stopped by the callback that constrains scores") }
            }
        }
        var prefix: CachedSequence?
        if let sequence = values.prefix { prefix = try object(sequence, as: CachedSequence.self, "prefix").fork() }
        let id = try generator.add(ids, options, prefix: prefix, constraint: constraint) { piece in
            tell(piece, to: callback, number.value, userData)
        }
        number.value = UInt64(id)
        out_request?.pointee = number.value
    }

    private final class RequestNumber {
        var value: UInt64 = 0
    }

    private func generationOptions() throws(NestlingError) -> GenerationOptions {
        var options = GenerationOptions()
        if values.max_new_tokens != 0 { options.maximumNewTokens = Int(values.max_new_tokens) }
        options.minimumNewTokens = Int(values.min_new_tokens)
        if values.top_k != 0 { options.topK = values.top_k == .max ? 0 : Int(values.top_k) }
        if values.temperature != 0 { options.temperature = values.temperature == -1 ? 0 : values.temperature }
        if values.top_p != 0 { options.topP = values.top_p }
        if values.min_p != 0 { options.minP = values.min_p == -1 ? 0 : values.min_p }
        if values.repetition_penalty != 0 { options.repetitionPenalty = values.repetition_penalty }
        options.presencePenalty = values.presence_penalty
        options.frequencyPenalty = values.frequency_penalty
        options.seed = values.seed
        if let tokens = try integers(values.bias_tokens, values.bias_count, "bias_tokens") {
            let biases = try require(values.biases, "biases")
            for (index, token) in tokens.enumerated() { options.logitBias[Int32(token)] = biases[index] }
        }
        let stops = try integers(values.stop_tokens, values.stop_token_count, "stop_tokens") ?? []
        options.stopTokens = Set(stops.map { Int32($0) })
        if values.stop_string_count != 0 {
            try checkCount(values.stop_string_count, "stop_string_count")
            let strings = try require(values.stop_strings, "stop_strings")
            for index in 0..<values.stop_string_count {
                options.stopStrings.append(try text(strings[index], "stop_strings[\(index)]"))
            }
        }
        options.ignoresEndOfText = try flag(values.ignore_end_of_text, default: false, "ignore_end_of_text")
        guard values.log_probabilities >= -1 else {
            throw .argument("log_probabilities is \(values.log_probabilities), expected -1 or more")
        }
        if values.log_probabilities != 0 {
            options.leadingLogProbabilities = max(0, Int(values.log_probabilities))
        }
        let tokens = values.draft_tokens == 0 ? 5 : Int(values.draft_tokens)
        if let draft = values.draft {
            guard values.lookup_tokens == 0 else { throw .argument("draft and lookup_tokens exclude each other") }
            options.draft = .submodel(try object(draft, as: Model.self, "draft"), tokens: tokens)
        } else if values.lookup_tokens != 0 {
            options.draft = .promptLookup(match: Int(values.lookup_tokens), tokens: tokens)
        }
        return options
    }
}

/// Hands a piece to the caller; whether more is wanted.
private func tell(
    _ piece: GeneratedPiece, to callback: nestling_on_generated, _ request: UInt64,
    _ userData: UnsafeMutableRawPointer?
) -> Bool {
    var message = ""
    var status = nestling_status(NESTLING_OK)
    var finish = Int(NESTLING_FINISH_NONE)
    switch piece.finish {
    case nil, .cancelled: break
    case .length: finish = Int(NESTLING_FINISH_LENGTH)
    case .stopToken: finish = Int(NESTLING_FINISH_STOP_TOKEN)
    case .stopString: finish = Int(NESTLING_FINISH_STOP_STRING)
    case .context: finish = Int(NESTLING_FINISH_CONTEXT)
    case .failed(let failure):
        finish = Int(NESTLING_FINISH_FAILED)
        (status, message) = (failure.kind.rawValue, failure.message)
    }
    let leading = piece.token?.leading ?? []
    let text = piece.text
    return text.withCString { bytes in
        message.withCString { message in
            leading.map(\.token).withUnsafeBufferPointer { tokens in
                leading.map(\.logProbability).withUnsafeBufferPointer { logProbabilities in
                    var generated = nestling_generated()
                    generated.struct_size = UInt32(MemoryLayout<nestling_generated>.size)
                    generated.finish = UInt32(finish)
                    generated.status = status
                    generated.token = piece.token?.token ?? -1
                    generated.text = bytes
                    generated.text_length = text.utf8.count
                    generated.log_probability = piece.token?.logProbability ?? 0
                    generated.leading_tokens = tokens.baseAddress
                    generated.leading_log_probabilities = logProbabilities.baseAddress
                    generated.leading_count = leading.count
                    generated.message = message
                    return callback(request, &generated, userData) == 0
                }
            }
        }
    }
}
