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
        let bytes = UnsafeRawBufferPointer(start: data, count: size)
        // A SentencePiece model begins with a line feed, too: the tag of its first field.
        let first = bytes.first { ![0x09, 0x0A, 0x0D, 0x20].contains($0) }
        let name = first == UInt8(ascii: "{") ? "tokenizer.json" : "tokenizer.model"
        guard let tokenizer = try Tokenizer(in: MemorySource(files: [(name, bytes)])) else {
            throw NestlingError(.corrupt, "data: not a tokenizer.json, which begins with \"{\"")
        }
        out.pointee = handle(tokenizer)
    }
}

@c @implementation
public func nestling_tokenizer_open_files(
    _ files: UnsafePointer<nestling_file>?, _ count: Int, _ out_tokenizer: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let out = try require(out_tokenizer, "out_tokenizer")
        let source = try CheckpointPath.open(MemorySource(files: try fileList(files, count)))
        guard let tokenizer = try Tokenizer(in: source) else {
            throw NestlingError(.notFound, "no tokenizer is among the files: none of \(Tokenizer.fileNames)")
        }
        out.pointee = handle(tokenizer)
    }
}

@c @implementation
public func nestling_model_get_tokenizer(
    _ model: OpaquePointer?, _ out_tokenizer: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let model = try object(model, as: Model.self, "model")
        let out = try require(out_tokenizer, "out_tokenizer")
        out.pointee = handle(try model.requireTokenizer())
    }
}

@c @implementation
public func nestling_tokenizer_retain(_ tokenizer: OpaquePointer?) -> OpaquePointer? { retain(tokenizer) }

@c @implementation
public func nestling_tokenizer_release(_ tokenizer: OpaquePointer?) { release(tokenizer) }

@c @implementation
public func nestling_tokenizer_describe(
    _ tokenizer: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let tokenizer = try object(tokenizer, as: Tokenizer.self, "tokenizer")
        try deliver(tokenizer.description.serialized(), buffer, inout_count)
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
            throw NestlingError(.notFound, "the vocabulary has no token \(token.quoted)")
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
