public import NestlingBasics

/// Reading preprocessor_config.json as transformers reads it: keys that are missing or null are those of the class.
extension ImagePreparation {
    /// What a processor class says where its settings are silent.
    private struct Defaults {
        var filter = ResamplingFilter.bicubic
        var resize: ResizeRule
        var crop: ImageSize?
        var mean: [Double]
        var deviation: [Double]
        /// What a `"size"` that is one number means: both sides, or the shorter one.
        var isSquare: Bool
    }

    private static let clipMean = [0.48145466, 0.4578275, 0.40821073]
    private static let clipDeviation = [0.26862954, 0.26130258, 0.27577711]
    private static let halves = [0.5, 0.5, 0.5]

    private static func square(_ side: Int) -> ImageSize { ImageSize(height: side, width: side) }

    /// The classes that can be prepared for; those with the Pillow backend in transformers 5.
    private static let classes: [(name: String, defaults: Defaults)] = [
        (
            "ViTImageProcessor",
            Defaults(
                filter: .bilinear, resize: .exactly(square(224)), mean: halves, deviation: halves, isSquare: true)
        ),
        (
            "DeiTImageProcessor",
            Defaults(
                resize: .exactly(square(256)), crop: square(224), mean: halves, deviation: halves, isSquare: true)
        ),
        (
            "BitImageProcessor",
            Defaults(
                resize: .shortestEdge(224, longest: nil), crop: square(224), mean: clipMean, deviation: clipDeviation,
                isSquare: false)
        ),
        (
            "CLIPImageProcessor",
            Defaults(
                resize: .shortestEdge(224, longest: nil), crop: square(224), mean: clipMean, deviation: clipDeviation,
                isSquare: false)
        ),
        (
            "SiglipImageProcessor",
            Defaults(resize: .exactly(square(224)), mean: halves, deviation: halves, isSquare: false)
        ),
    ]

    /// Which class prepares for a `"model_type"` if the settings name none.
    private static let classesOfModels = [
        "vit": "ViTImageProcessor", "deit": "DeiTImageProcessor", "dinov2": "BitImageProcessor",
        "dinov2_with_registers": "BitImageProcessor", "clip": "CLIPImageProcessor",
        "clip_vision_model": "CLIPImageProcessor", "siglip": "SiglipImageProcessor",
        "siglip_vision_model": "SiglipImageProcessor", "vit_mae": "ViTImageProcessor", "swin": "ViTImageProcessor",
    ]

    /// Reads settings.
    ///
    /// - Parameters:
    ///   - fields: preprocessor_config.json, or the object `"image_processor"` of processor_config.json.
    ///   - modelType: the `"model_type"` of config.json, for old settings that do not say their class.
    /// - Throws: `.unsupported` for a class or a setting that this library does not know, by name; `.corrupt` for values
    ///   that nobody can mean.
    public init(_ fields: JSONFields, modelType: String? = nil) throws(Failure) {
        let type = try Self.className(fields, modelType: modelType)
        guard let defaults = Self.classes.first(where: { $0.name == type })?.defaults else {
            throw Failure(
                .unsupported,
                "\(fields.name): images are prepared by \(type.quoted); known are \(Self.classes.map(\.name).joined(separator: ", "))"
            )
        }
        guard try !fields.bool("use_square_size", default: false) else {
            throw Failure(.unsupported, "\(fields.name): use_square_size")
        }
        let resizes = try fields.bool("do_resize", default: true)
        let crops = try fields.bool("do_center_crop", default: defaults.crop != nil)
        // Without a size, transformers pads to the largest image of the batch, which here would make the result of an image
        // depend on the others. Batches are ragged, so each stays as it is: what transformers makes of an image alone.
        let pads = try fields.bool("do_pad", default: false)
        let pad = pads ? try fields.imageSize("pad_size") : nil
        var crop: ImageSize?
        if crops {
            crop = try fields.imageSize("crop_size")
            if crop == nil { crop = defaults.crop }
            if crop == nil { throw fields.failure("crop_size", "is missing; do_center_crop is true") }
        }
        self.init(
            type: type,
            resize: resizes ? try Self.resizeRule(fields, defaults) : nil,
            filter: try Self.filter(fields, defaults),
            crop: crop, pad: pad, scale: try Self.scale(fields, defaults))
    }

    /// `"CLIPImageProcessor"`; also from `"CLIPImageProcessorFast"` and `"CLIPFeatureExtractor"`.
    private static func className(_ fields: JSONFields, modelType: String?) throws(Failure) -> String {
        let oldName = try fields.string("feature_extractor_type", default: "")
        var name = try fields.string("image_processor_type", default: oldName)
        for (old, new) in [("Fast", ""), ("Pil", ""), ("FeatureExtractor", "ImageProcessor")] where name.hasSuffix(old)
        {
            name = name.dropLast(old.count) + new
        }
        if name.isEmpty { name = modelType.flatMap { classesOfModels[$0] } ?? "" }
        guard !name.isEmpty else {
            throw Failure(.unsupported, "\(fields.name): image_processor_type is missing")
        }
        return name
    }

    private static func resizeRule(_ fields: JSONFields, _ defaults: Defaults) throws(Failure) -> ResizeRule {
        guard let value = fields["size"] else { return defaults.resize }
        guard value.object != nil else {
            if value.array != nil, let size = try fields.imageSize("size") { return .exactly(size) }
            let side = try fields.integer("size", in: JSONFields.sides)
            let isSquare = try fields.bool("default_to_square", default: defaults.isSquare)
            return isSquare ? .exactly(square(side)) : .shortestEdge(side, longest: nil)
        }
        let size = try fields.object("size")
        let sides = ["height", "width", "shortest_edge", "longest_edge", "max_height", "max_width"]
        var values: [String: Int] = [:]
        for (key, _) in size.object.members where size.contains(key) {
            guard sides.contains(key) else {
                throw Failure(
                    .unsupported, "\(size.name): \(key.quoted); known are \(sides.joined(separator: ", "))")
            }
            values[key] = try size.integer(key, in: JSONFields.sides)
        }
        if let edge = values["shortest_edge"], values.count == (values["longest_edge"] == nil ? 1 : 2) {
            return .shortestEdge(edge, longest: values["longest_edge"])
        }
        if values.count == 2, let height = values["height"], let width = values["width"] {
            return .exactly(ImageSize(height: height, width: width))
        }
        if values.count == 2, let height = values["max_height"], let width = values["max_width"] {
            return .fitting(ImageSize(height: height, width: width))
        }
        throw Failure(
            .unsupported,
            "\(size.name) has \(values.keys.sorted().joined(separator: ", ")); expected height and width, shortest_edge (and longest_edge), or max_height and max_width"
        )
    }

    private static func filter(_ fields: JSONFields, _ defaults: Defaults) throws(Failure) -> ResamplingFilter {
        let numbers = 0...ResamplingFilter.allCases.count - 1
        let number = try fields.integer("resample", in: numbers, default: defaults.filter.rawValue)
        return ResamplingFilter(rawValue: number) ?? defaults.filter
    }

    private static func scale(_ fields: JSONFields, _ defaults: Defaults) throws(Failure) -> PixelScale {
        var scale = PixelScale()
        if try fields.bool("do_rescale", default: true) {
            scale.factor = try fields.number("rescale_factor", in: -1e6...1e6, default: 1 / 255)
        }
        if try fields.bool("do_normalize", default: true) {
            let mean = try colours(fields, "image_mean", default: defaults.mean)
            let deviation = try colours(fields, "image_std", default: defaults.deviation)
            // Within these bounds no pixel becomes infinite.
            guard deviation.allSatisfy({ abs($0) >= 1e-6 && abs($0) <= 1e6 }), mean.allSatisfy({ abs($0) <= 1e6 })
            else {
                throw fields.failure("image_mean and image_std", "cannot be divided by, or are not numbers of pixels")
            }
            scale.normalization = (mean.map { Float($0) }, deviation.map { Float($0) })
        }
        return scale
    }

    /// A number for each colour, or one for all.
    private static func colours(
        _ fields: JSONFields, _ key: String, default fallback: [Double]
    ) throws(Failure) -> [Double] {
        guard let value = fields[key] else { return fallback }
        if value.array == nil, let number = try fields.optionalNumber(key) {
            return [Double](repeating: number, count: channels)
        }
        let numbers = try fields.numbers(key)
        guard numbers.count == channels else {
            throw fields.failure(key, "has \(numbers.count) numbers; expected \(channels), one for each colour")
        }
        return numbers
    }
}

extension JSONFields {
    /// Sides that settings may ask for.
    fileprivate static let sides = 1...16_384

    /// A size: a number for a square, `[height, width]`, or an object of the two; `nil` if it is absent or null.
    fileprivate func imageSize(_ key: String) throws(Failure) -> ImageSize? {
        guard let value = self[key] else { return nil }
        if value.object != nil {
            let size = try object(key)
            return ImageSize(
                height: try size.integer("height", in: Self.sides), width: try size.integer("width", in: Self.sides))
        }
        if value.array != nil {
            let sides = try integers(key, in: Self.sides)
            guard sides.count == 2 else { throw failure(key, "has \(sides.count) numbers; expected height and width") }
            return ImageSize(height: sides[0], width: sides[1])
        }
        let side = try integer(key, in: Self.sides)
        return ImageSize(height: side, width: side)
    }
}
