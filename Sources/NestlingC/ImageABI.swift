import CNestling
import Nestling

/// The caller's images: their sizes, and their pixels as the network takes them.
private struct ImageArguments {
    private let images: [(view: ImageView, name: String)]

    /// Looks at `count` images, but not at their pixels.
    init(_ images: UnsafePointer<nestling_image>?, _ count: Int) throws(NestlingError) {
        try checkCount(count, "image_count")
        var found: [(view: ImageView, name: String)] = []
        guard count > 0 else {
            self.images = found
            return
        }
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
            found.append((try view(image, name), name))
        }
        self.images = found
    }

    /// For the shape of a result.
    var sizes: [(channels: Int, height: Int, width: Int)] {
        images.map { ($0.view.channels, $0.view.height, $0.view.width) }
    }

    /// The pixels.
    func prepared() throws(NestlingError) -> [PreparedImage] {
        var prepared: [PreparedImage] = []
        for image in images { prepared.append(try PreparedImage(copying: image.view, name: image.name)) }
        return prepared
    }
}

private func view(_ image: nestling_image, _ name: String) throws(NestlingError) -> ImageView {
    guard image.reserved == 0 else {
        throw NestlingError(.unsupported, "\(name): reserved is \(image.reserved), expected 0")
    }
    switch Int(image.format) {
    case Int(NESTLING_PIXELS_PREPARED): break
    case Int(NESTLING_PIXELS_U8), Int(NESTLING_PIXELS_F32):
        throw NestlingError(
            .unsupported, "\(name): this version takes prepared pixels only, format NESTLING_PIXELS_PREPARED")
    default: throw .argument("\(name): format \(image.format) is not a NESTLING_PIXELS_...")
    }
    guard let pixels = image.pixels else { throw .argument("\(name): pixels is NULL") }
    func stride(_ bytes: Int64) -> Int? { bytes == 0 ? nil : Int(bytes) }
    return try ImageView(
        base: pixels, element: .float32, width: Int(image.width), height: Int(image.height),
        channels: Int(image.channels), layout: .planar, rowStride: stride(image.row_stride),
        pixelStride: stride(image.pixel_stride), channelStride: stride(image.channel_stride), name: name)
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
        let network = session.model.network
        let arguments = try ImageArguments(images, count)
        try run(
            session, Batch(sizes: arguments.sizes, for: network),
            filled: { () throws(NestlingError) in try Batch(arguments.prepared(), for: network) }, request, options,
            output, inout_count, out_offsets)
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
