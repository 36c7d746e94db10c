import CNestling
import Nestling
import Synchronization

@c @implementation
public func nestling_tokenizer_decode(
    _ tokenizer: OpaquePointer?, _ ids: UnsafePointer<Int32>?, _ count: Int, _ skip_special: Int32,
    _ buffer: UnsafeMutablePointer<CChar>?, _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let tokenizer = try object(tokenizer, as: Tokenizer.self, "tokenizer")
        try checkCount(count, "count")
        let list = count == 0 ? [] : Array(UnsafeBufferPointer(start: try require(ids, "ids"), count: count))
        try deliver(try tokenizer.decode(list, skipSpecialTokens: skip_special != 0), buffer, inout_count)
    }
}

@c @implementation
public func nestling_tokenizer_decode_batch(
    _ tokenizer: OpaquePointer?, _ ids: UnsafePointer<Int32>?, _ offsets: UnsafePointer<Int>?, _ sequence_count: Int,
    _ skip_special: Int32, _ buffer: UnsafeMutablePointer<CChar>?, _ inout_count: UnsafeMutablePointer<Int>?,
    _ out_text_offsets: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let tokenizer = try object(tokenizer, as: Tokenizer.self, "tokenizer")
        try checkCount(sequence_count, "sequence_count")
        let offsets = UnsafeBufferPointer(start: try require(offsets, "offsets"), count: sequence_count + 1)
        let count = offsets[sequence_count]
        guard (0...Int(Int32.max)).contains(count) else {
            throw .argument("offsets end at \(UInt(bitPattern: count)), which cannot be meant")
        }
        guard count == 0 || ids != nil else { throw .argument("ids is NULL") }
        let needed = try require(inout_count, "inout_count")
        let texts = try tokenizer.decodeBatch(
            UnsafeBufferPointer(start: ids, count: count), offsets: offsets, skipSpecialTokens: skip_special != 0)
        if let buffer = try fits(texts.byteCount, buffer, needed, "bytes") { texts.write(to: buffer) }
        needed.pointee = texts.byteCount
        if let out_text_offsets {
            for (index, offset) in texts.offsets.enumerated() { out_text_offsets[index] = offset }
        }
    }
}

/// A decode stream that one thread at a time may use.
private final class GuardedStream: @unchecked Sendable {
    private var stream: DecodeStream
    private let isBusy = Atomic<Bool>(false)

    init(_ stream: DecodeStream) { self.stream = stream }

    /// Moves the stream, if what it says can be delivered.
    func advance(
        _ buffer: UnsafeMutablePointer<CChar>?, _ inout_count: UnsafeMutablePointer<Int>?,
        by step: (inout DecodeStream) throws(NestlingError) -> String
    ) throws(NestlingError) {
        guard isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else {
            throw .argument("the stream is in use by another thread")
        }
        defer { isBusy.store(false, ordering: .releasing) }
        var moved = stream
        try deliver(try step(&moved), buffer, inout_count)
        if buffer != nil { stream = moved }
    }
}

@c @implementation
public func nestling_decode_stream_create(
    _ tokenizer: OpaquePointer?, _ skip_special: Int32, _ out_stream: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let tokenizer = try object(tokenizer, as: Tokenizer.self, "tokenizer")
        let out = try require(out_stream, "out_stream")
        out.pointee = handle(GuardedStream(DecodeStream(tokenizer, skipSpecialTokens: skip_special != 0)))
    }
}

@c @implementation
public func nestling_decode_stream_append(
    _ stream: OpaquePointer?, _ id: Int32, _ buffer: UnsafeMutablePointer<CChar>?,
    _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let stream = try object(stream, as: GuardedStream.self, "stream")
        try stream.advance(buffer, inout_count) { (stream) throws(NestlingError) in try stream.append(id) ?? "" }
    }
}

@c @implementation
public func nestling_decode_stream_finish(
    _ stream: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let stream = try object(stream, as: GuardedStream.self, "stream")
        try stream.advance(buffer, inout_count) { (stream) throws(NestlingError) in try stream.finish() }
    }
}

@c @implementation
public func nestling_decode_stream_release(_ stream: OpaquePointer?) { release(stream) }
