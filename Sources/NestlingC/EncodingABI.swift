import CNestling
import Glibc
import Nestling

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
        let options = try TokenizeArguments(options)
        let settings = try options.tokenizing()
        try options.requireOneText()
        let pair = try options.secondText()
        let text = try textBytes(text, length, "text")
        var encoding = try tokenizer.encode(
            text, pair: pair, plain: try options.plainRanges(of: text.count),
            addSpecialTokens: settings.addsSpecialTokens, truncation: settings.truncation, keepsOverflow: false)
        if let ids = try fits(encoding.ids.count, ids, count, "ids") {
            for (index, id) in encoding.ids.enumerated() { ids[index] = id }
            let wantsOffsets = details.starts != nil || details.ends != nil
            if wantsOffsets && countsCharacters { encoding.countOffsetsInCharacters(of: text, pair: pair) }
            for index in encoding.ids.indices {
                details.type_ids?[index] = encoding.typeIDs[index]
                details.starts?[index] = UInt64(encoding.offsets[index].lowerBound)
                details.ends?[index] = UInt64(encoding.offsets[index].upperBound)
                details.word_ids?[index] = encoding.wordIDs[index]
                details.sequence_ids?[index] = Int32(encoding.sequenceIDs[index])
                details.special_mask?[index] = encoding.specialTokensMask[index]
            }
        }
        count.pointee = encoding.ids.count
    }
}

@c @implementation
public func nestling_tokenizer_encode_batch(
    _ tokenizer: OpaquePointer?, _ texts: UnsafePointer<UnsafePointer<CChar>?>?, _ lengths: UnsafePointer<Int>?,
    _ second_texts: UnsafePointer<UnsafePointer<CChar>?>?, _ second_lengths: UnsafePointer<Int>?, _ text_count: Int,
    _ options: UnsafePointer<nestling_tokenize_options>?, _ out_encodings: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let tokenizer = try object(tokenizer, as: Tokenizer.self, "tokenizer")
        let out = try require(out_encodings, "out_encodings")
        let options = try TokenizeArguments(options)
        let (settings, hasDetails) = try options.batching()
        try checkCount(text_count, "text_count")
        let texts = try textList(texts, lengths, text_count)
        let pairs = try secondTextList(second_texts, second_lengths, text_count)
        out.pointee = handle(
            try tokenizer.encodeBatch(
                texts, pairs: pairs, options: settings, hasDetails: hasDetails,
                progress: progress(options.values.progress, options.values.user_data)))
    }
}

@c @implementation
public func nestling_encodings_get_content(
    _ encodings: OpaquePointer?, _ out_content: UnsafeMutablePointer<nestling_encodings_content>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let encodings = try object(encodings, as: Encodings.self, "encodings")
        let out = try require(out_content, "out_content")
        let size = out.pointee.struct_size
        guard size >= 4, size <= 65536 else {
            throw .argument(
                "nestling_encodings_content: struct_size \(size) cannot be meant; set it to "
                    + "sizeof(nestling_encodings_content)")
        }
        var content = nestling_encodings_content()
        content.struct_size = size
        content.text_count = encodings.textCount
        content.encoding_count = encodings.count
        content.token_count = encodings.tokenCount
        content.parts = encodings.parts.baseAddress
        content.offsets = encodings.offsets.baseAddress
        content.ids = encodings.ids.baseAddress
        content.type_ids = encodings.typeIDs.baseAddress
        content.special_mask = encodings.specialTokensMask.baseAddress
        content.starts = encodings.starts?.baseAddress
        content.ends = encodings.ends?.baseAddress
        content.word_ids = encodings.wordIDs?.baseAddress
        content.sequence_ids = encodings.sequenceIDs?.baseAddress
        memcpy(out, &content, min(Int(size), MemoryLayout<nestling_encodings_content>.size))
    }
}

@c @implementation
public func nestling_encodings_retain(_ encodings: OpaquePointer?) -> OpaquePointer? { retain(encodings) }

@c @implementation
public func nestling_encodings_release(_ encodings: OpaquePointer?) { release(encodings) }
