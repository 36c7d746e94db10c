import CNestling
import Nestling

@c @implementation
public func nestling_tokenizer_open(
    _ path: UnsafePointer<CChar>?, _ out_tokenizer: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let out = try require(out_tokenizer, "out_tokenizer")
        out.pointee = handle(try Tokenizer(path: try text(path, "path")))
    }
}

@c @implementation
public func nestling_tokenizer_open_memory(
    _ data: UnsafeRawPointer?, _ size: Int, _ out_tokenizer: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let out = try require(out_tokenizer, "out_tokenizer")
        let data = try require(data, "data")
        guard size >= 0 else { throw .argument("size \(UInt(bitPattern: size)) cannot be meant") }
        out.pointee = handle(
            try Tokenizer(json: UnsafeRawBufferPointer(start: data, count: size), name: "tokenizer.json"))
    }
}

@c @implementation
public func nestling_model_get_tokenizer(
    _ model: OpaquePointer?, _ out_tokenizer: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let model = try object(model, as: Model.self, "model")
        let out = try require(out_tokenizer, "out_tokenizer")
        guard let tokenizer = model.tokenizer else {
            throw NestlingError(.notFound, "the checkpoint has no tokenizer (tokenizer.json or vocab.txt)")
        }
        out.pointee = handle(tokenizer)
    }
}

@c @implementation
public func nestling_tokenizer_retain(_ tokenizer: OpaquePointer?) -> OpaquePointer? { retain(tokenizer) }

@c @implementation
public func nestling_tokenizer_release(_ tokenizer: OpaquePointer?) { release(tokenizer) }

/// Text and its length in bytes, which may be 0 with a NULL pointer.
private func textBytes(
    _ text: UnsafePointer<CChar>?, _ length: Int, _ name: String
) throws(NestlingError) -> UnsafeBufferPointer<UInt8> {
    guard length >= 0 else { throw .argument("\(name): length \(UInt(bitPattern: length)) cannot be meant") }
    if length == 0 { return UnsafeBufferPointer(start: nil, count: 0) }
    let start = UnsafeRawPointer(try require(text, name)).assumingMemoryBound(to: UInt8.self)
    return UnsafeBufferPointer(start: start, count: length)
}

@c @implementation
public func nestling_tokenizer_encode(
    _ tokenizer: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ length: Int,
    _ options: UnsafePointer<nestling_tokenize_options>?, _ ids: UnsafeMutablePointer<Int32>?,
    _ details: UnsafePointer<nestling_token_details>?, _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let tokenizer = try object(tokenizer, as: Tokenizer.self, "tokenizer")
        let details = try NestlingC.options(details, as: nestling_token_details.self, "nestling_token_details")
        let countsCharacters = try flag(details.characters, default: false, "characters")
        let count = try require(inout_count, "inout_count")
        let values = try NestlingC.options(options, as: nestling_tokenize_options.self, "nestling_tokenize_options")
        try requireZero(reserved: values.reserved)
        guard values.second_text != nil || values.second_length == 0 else {
            throw .argument("second_text is NULL, but second_length is \(UInt(bitPattern: values.second_length))")
        }
        let text = try textBytes(text, length, "text")
        let pair =
            values.second_text == nil
            ? nil : try textBytes(values.second_text, values.second_length, "second_text")
        let encoding = try tokenizer.encode(
            text, pair: pair, addSpecialTokens: try flag(values.special_tokens, default: true, "special_tokens"),
            maximumTokens: values.maximum_tokens == 0 ? nil : Int(values.maximum_tokens))
        if let ids = try fits(encoding.ids.count, ids, count, "ids") {
            for (index, id) in encoding.ids.enumerated() { ids[index] = id }
            let wantsOffsets = details.starts != nil || details.ends != nil
            let offsets =
                wantsOffsets && countsCharacters ? encoding.characterOffsets(in: text, pair: pair) : encoding.offsets
            for index in encoding.ids.indices {
                details.type_ids?[index] = encoding.typeIDs[index]
                details.starts?[index] = UInt64(offsets[index].lowerBound)
                details.ends?[index] = UInt64(offsets[index].upperBound)
                details.word_ids?[index] = encoding.wordIDs[index]
                details.sequence_ids?[index] = Int32(encoding.sequenceIDs[index])
                details.special_mask?[index] = encoding.specialTokensMask[index]
            }
        }
        count.pointee = encoding.ids.count
    }
}

@c @implementation
public func nestling_tokenizer_decode(
    _ tokenizer: OpaquePointer?, _ ids: UnsafePointer<Int32>?, _ count: Int, _ skip_special: Int32,
    _ buffer: UnsafeMutablePointer<CChar>?, _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let tokenizer = try object(tokenizer, as: Tokenizer.self, "tokenizer")
        guard (0...Int(Int32.max)).contains(count) else {
            throw .argument("count \(UInt(bitPattern: count)) cannot be meant")
        }
        let list = count == 0 ? [] : Array(UnsafeBufferPointer(start: try require(ids, "ids"), count: count))
        try deliver(tokenizer.decode(list, skipSpecialTokens: skip_special != 0), buffer, inout_count)
    }
}

@c @implementation
public func nestling_tokenizer_vocabulary_size(_ tokenizer: OpaquePointer?) -> UInt32 {
    guard let tokenizer = try? object(tokenizer, as: Tokenizer.self, "tokenizer") else { return 0 }
    return UInt32(clamping: tokenizer.vocabularySize)
}

@c @implementation
public func nestling_tokenizer_token_to_id(
    _ tokenizer: OpaquePointer?, _ token: UnsafePointer<CChar>?, _ out_id: UnsafeMutablePointer<Int32>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let tokenizer = try object(tokenizer, as: Tokenizer.self, "tokenizer")
        let out = try require(out_id, "out_id")
        let token = try text(token, "token")
        guard let id = tokenizer.id(of: token) else {
            throw NestlingError(.notFound, "the vocabulary has no token \"\(token)\"")
        }
        out.pointee = id
    }
}

@c @implementation
public func nestling_tokenizer_id_to_token(
    _ tokenizer: OpaquePointer?, _ id: Int32, _ buffer: UnsafeMutablePointer<CChar>?,
    _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let tokenizer = try object(tokenizer, as: Tokenizer.self, "tokenizer")
        guard let token = tokenizer.token(of: id) else {
            throw NestlingError(.notFound, "the vocabulary has no id \(id)")
        }
        try deliver(token, buffer, inout_count)
    }
}
