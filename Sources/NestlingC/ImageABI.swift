import CNestling
import Nestling

/// Looks at the caller's `count` images, but not at their pixels.
private func inputs(_ images: UnsafePointer<nestling_image>?, _ count: Int) throws(NestlingError) -> [ImageInput] {
    try checkCount(count, "image_count")
    if count == 0 { return [] }
    var found: [ImageInput] = []
    let first = UnsafeRawPointer(try require(images, "images"))
    // Each may be longer than those that this library knows: the first one tells where the next begins.
    let size = first.loadUnaligned(as: UInt32.self)
    guard (4...65536).contains(size), Int(size).isMultiple(of: MemoryLayout<nestling_image>.alignment) else {
        throw .argument("images[0]: struct_size \(size) cannot be meant; set it to sizeof(nestling_image)")
    }
    for index in 0..<count {
        let name = "image \(index)"
        let pointer = (first + index * Int(size)).assumingMemoryBound(to: nestling_image.self)
        let image = try options(pointer, as: nestling_image.self, name)
        guard image.struct_size == size else {
            throw .argument("\(name): struct_size is \(image.struct_size), that of image 0 is \(size)")
        }
        found.append(try input(image, name))
    }
    return found
}

private func input(_ image: nestling_image, _ name: String) throws(NestlingError) -> ImageInput {
    guard image.reserved == 0 else {
        throw NestlingError(.unsupported, "\(name): reserved is \(image.reserved), expected 0")
    }
    let isPrepared = Int(image.format) == Int(NESTLING_PIXELS_PREPARED)
    let element: ImageView.Element
    switch Int(image.format) {
    case Int(NESTLING_PIXELS_U8): element = .unsigned8
    case Int(NESTLING_PIXELS_F32), Int(NESTLING_PIXELS_PREPARED): element = .float32
    default: throw .argument("\(name): format \(image.format) is not a NESTLING_PIXELS_...")
    }
    guard let pixels = image.pixels else { throw .argument("\(name): pixels is NULL") }
    func stride(_ bytes: Int64) -> Int? { bytes == 0 ? nil : Int(bytes) }
    let view = try ImageView(
        base: pixels, element: element, width: Int(image.width), height: Int(image.height),
        channels: Int(image.channels), layout: isPrepared ? .planar : .interleaved,
        rowStride: stride(image.row_stride), pixelStride: stride(image.pixel_stride),
        channelStride: stride(image.channel_stride), name: name)
    return ImageInput(view, isPrepared: isPrepared, name: name)
}

/// Runs what `request` makes of the options on images, and delivers its result by the size idiom.
private func run(
    _ session: OpaquePointer?, _ images: UnsafePointer<nestling_image>?, _ count: Int,
    _ options: UnsafePointer<nestling_run_options>?, _ output: UnsafeMutablePointer<Float>?,
    _ inout_count: UnsafeMutablePointer<Int>?, _ out_offsets: UnsafeMutablePointer<Int>?,
    _ request: (Session, RunOptions) throws(NestlingError) -> Request
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let session = try object(session, as: Session.self, "session")
        let options = try RunOptions(options)
        let values = options.values
        guard values.token_type_ids == nil, values.prompt == nil, values.prompt_name == nil else {
            throw .argument("token_type_ids, prompt and prompt_name cannot be given for images")
        }
        let request = try request(session, options)
        let model = session.model
        let images = try inputs(images, count)
        try run(
            session, Batch(sizes: model.preparedSizes(images), for: model.network),
            filled: { () throws(NestlingError) in try model.batch(images, threadCount: session.threadCount) }, request,
            options, output, inout_count, out_offsets)
    }
}

@c @implementation
public func nestling_model_prepare_images(
    _ model: OpaquePointer?, _ images: UnsafePointer<nestling_image>?, _ image_count: Int,
    _ pixels: UnsafeMutablePointer<Float>?, _ inout_count: UnsafeMutablePointer<Int>?,
    _ out_sizes: UnsafeMutablePointer<UInt32>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let model = try object(model, as: Model.self, "model")
        let count = try require(inout_count, "inout_count")
        let images = try inputs(images, image_count)
        guard model.image != nil else { throw .argument("the model takes token ids, not images") }
        let sizes = try model.preparedSizes(images)
        var needed = 0
        for size in sizes {
            needed = try needed.added(to: size.channels * size.height * size.width, "prepared pixels")
        }
        if var next = try fits(needed, pixels, count, "floats") {
            for image in try model.prepare(images) {
                withExtendedLifetime(image) { next.update(from: image.pointer, count: image.count) }
                next += image.count
            }
        }
        count.pointee = needed
        if let out_sizes {
            for (index, size) in sizes.enumerated() {
                out_sizes[2 * index] = UInt32(size.height)
                out_sizes[2 * index + 1] = UInt32(size.width)
            }
        }
    }
}

@c @implementation
public func nestling_session_encode_images(
    _ session: OpaquePointer?, _ images: UnsafePointer<nestling_image>?, _ image_count: Int,
    _ options: UnsafePointer<nestling_run_options>?, _ vectors: UnsafeMutablePointer<Float>?,
    _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    run(session, images, image_count, options, vectors, inout_count, nil) { _, options throws(NestlingError) in
        .vectors(try options.vectors())
    }
}

@c @implementation
public func nestling_session_image_hidden_states(
    _ session: OpaquePointer?, _ images: UnsafePointer<nestling_image>?, _ image_count: Int,
    _ options: UnsafePointer<nestling_run_options>?, _ states: UnsafeMutablePointer<Float>?,
    _ inout_count: UnsafeMutablePointer<Int>?, _ out_offsets: UnsafeMutablePointer<Int>?
) -> nestling_status {
    run(session, images, image_count, options, states, inout_count, out_offsets) {
        session, options throws(NestlingError) in
        .states(layer: try options.layer(of: session.model), unmerged: try options.unmerged())
    }
}

@c @implementation
public func nestling_session_image_logits(
    _ session: OpaquePointer?, _ images: UnsafePointer<nestling_image>?, _ image_count: Int,
    _ options: UnsafePointer<nestling_run_options>?, _ logits: UnsafeMutablePointer<Float>?,
    _ inout_count: UnsafeMutablePointer<Int>?, _ out_offsets: UnsafeMutablePointer<Int>?
) -> nestling_status {
    run(session, images, image_count, options, logits, inout_count, out_offsets) {
        session, options throws(NestlingError) in
        .scores(try session.model.head(try options.head()), unmerged: try options.unmerged())
    }
}
