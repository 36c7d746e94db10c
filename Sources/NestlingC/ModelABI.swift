import CNestling
import Glibc
import Nestling

private func checked(_ pointer: UnsafePointer<nestling_open_options>?) throws(NestlingError) -> nestling_open_options {
    let options = try options(pointer, as: nestling_open_options.self, "nestling_open_options")
    try requireZero(reserved: options.reserved)
    try requireZero(reserved: options.zero)
    return options
}

/// The codec of a `NESTLING_DTYPE_...`; `nil` for the default.
private func codec(_ dtype: UInt32) throws(NestlingError) -> Codec? {
    switch Int(dtype) {
    case Int(NESTLING_DTYPE_DEFAULT): return nil
    case Int(NESTLING_DTYPE_FLOAT32): return .float32
    case Int(NESTLING_DTYPE_BFLOAT16): return .bfloat16
    case Int(NESTLING_DTYPE_INT8): return .int8
    case Int(NESTLING_DTYPE_INT4): return .int4
    default: throw .argument("dtype \(dtype) is not a NESTLING_DTYPE_...")
    }
}

/// The tower of a `NESTLING_TOWER_...`; `nil` for the default.
private func tower(_ value: UInt32) throws(NestlingError) -> Tower? {
    switch Int(value) {
    case Int(NESTLING_TOWER_DEFAULT): return nil
    case Int(NESTLING_TOWER_TEXT): return .text
    case Int(NESTLING_TOWER_VISION): return .vision
    default: throw .argument("tower \(value) is not a NESTLING_TOWER_...")
    }
}

@c @implementation
public func nestling_model_open(
    _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<nestling_open_options>?,
    _ out_model: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let out = try require(out_model, "out_model")
        let path = try text(path, "path")
        let options = try checked(options)
        let model = try Model(
            path: path, dtype: try codec(options.dtype), tower: try tower(options.tower),
            mapsWeights: try flag(options.map_weights, default: true, "map_weights"),
            progress: progress(options.progress, options.user_data))
        out.pointee = handle(model)
    }
}

@c @implementation
public func nestling_model_open_memory(
    _ files: UnsafePointer<nestling_file>?, _ count: Int, _ options: UnsafePointer<nestling_open_options>?,
    _ out_model: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let out = try require(out_model, "out_model")
        let files = try require(files, "files")
        let options = try checked(options)
        out.pointee = handle(
            try Model(
                files: try fileList(files, count), dtype: try codec(options.dtype), tower: try tower(options.tower),
                progress: progress(options.progress, options.user_data)))
    }
}

@c @implementation
public func nestling_model_retain(_ model: OpaquePointer?) -> OpaquePointer? { retain(model) }

@c @implementation
public func nestling_model_release(_ model: OpaquePointer?) { release(model) }

@c @implementation
public func nestling_model_get_info(
    _ model: OpaquePointer?, _ out_info: UnsafeMutablePointer<nestling_model_info>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let model = try object(model, as: Model.self, "model")
        let out = try require(out_info, "out_info")
        let size = out.pointee.struct_size
        guard size >= 4, size <= 65536 else {
            throw .argument(
                "nestling_model_info: struct_size \(size) cannot be meant; set it to sizeof(nestling_model_info)")
        }
        var info = nestling_model_info()
        info.struct_size = size
        info.default_head = model.defaultHead?.rawValue ?? 0
        info.heads = model.headKinds.reduce(0) { $0 | (1 << $1.rawValue) }
        info.pooling = model.poolings.first?.rawValue ?? 0
        info.layers = UInt32(clamping: model.layers)
        info.hidden_size = UInt32(clamping: model.hiddenSize)
        info.output_dimensions = UInt32(clamping: model.outputDimensions)
        info.vocabulary_size = UInt32(clamping: model.vocabularySize)
        info.token_types = UInt32(clamping: model.tokenTypes)
        info.maximum_tokens = model.maximumTokens.map { UInt32(clamping: $0) } ?? .max
        info.text_tokens = model.textTokens.map { UInt32(clamping: $0) } ?? .max
        info.labels = UInt32(clamping: model.defaultHead.flatMap(model.scores) ?? 0)
        info.has_tokenizer = model.tokenizer == nil ? 0 : 1
        info.normalizes = model.normalizes ? 1 : 0
        info.parameters = UInt64(clamping: model.parameters)
        info.weight_bytes = UInt64(clamping: model.weightBytes)
        memcpy(out, &info, min(Int(size), MemoryLayout<nestling_model_info>.size))
    }
}

@c @implementation
public func nestling_model_describe(
    _ model: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let model = try object(model, as: Model.self, "model")
        try deliver(model.description.serialized(), buffer, inout_count)
    }
}

@c @implementation
public func nestling_model_estimate_reduction(
    _ model: OpaquePointer?, _ tokens: UInt32, _ reduction: UnsafePointer<CChar>?,
    _ buffer: UnsafeMutablePointer<CChar>?, _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let model = try object(model, as: Model.self, "model")
        let reducer = try Reducers.reducer(json: try text(reduction, "reduction"))
        try deliver(try model.estimate(reducer, tokens: Int(tokens)).json.serialized(), buffer, inout_count)
    }
}

@c @implementation
public func nestling_check(
    _ path: UnsafePointer<CChar>?, _ values: Int32, _ buffer: UnsafeMutablePointer<CChar>?,
    _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let report = try CheckReport(path: try text(path, "path"), values: values != 0)
        try deliver(report.json.serialized(), buffer, inout_count)
    }
}

@c @implementation
public func nestling_model_derive(
    _ model: OpaquePointer?, _ spec: UnsafePointer<nestling_submodel_spec>?,
    _ out_model: UnsafeMutablePointer<OpaquePointer?>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let model = try object(model, as: Model.self, "model")
        let out = try require(out_model, "out_model")
        let values = try options(try require(spec, "spec"), as: nestling_submodel_spec.self, "nestling_submodel_spec")
        var spec = SubmodelSpec()
        spec.layers = try integers(values.layers, values.layer_count, "layers")
        spec.widths = try extent(values.ffn_ratio, values.ffn_widths, values.ffn_width_count, "ffn_ratio", "ffn_widths")
        spec.heads = try extent(values.head_ratio, values.heads, values.head_count, "head_ratio", "heads")
        if values.output_dimensions != 0 { spec.outputDimensions = Int(values.output_dimensions) }
        out.pointee = handle(try model.submodel(spec))
    }
}

private func extent(
    _ ratio: Double, _ numbers: UnsafePointer<Int32>?, _ count: Int, _ ratioName: String, _ name: String
) throws(NestlingError) -> SubmodelSpec.Extent {
    let exact = try integers(numbers, count, name)
    if ratio == 0 { return exact.map { .exact($0) } ?? .all }
    guard exact == nil else { throw .argument("\(ratioName) and \(name) exclude each other") }
    return .ratio(ratio)
}

@c @implementation
public func nestling_model_save(
    _ model: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<nestling_save_options>?
) -> nestling_status {
    reporting { () throws(NestlingError) in
        let model = try object(model, as: Model.self, "model")
        let path = try text(path, "path")
        let values = try NestlingC.options(options, as: nestling_save_options.self, "nestling_save_options")
        try requireZero(reserved: values.reserved)
        let packed: Bool?
        switch Int(values.form) {
        case Int(NESTLING_SAVE_DEFAULT): packed = nil
        case Int(NESTLING_SAVE_ORDINARY): packed = false
        case Int(NESTLING_SAVE_PACKED): packed = true
        default: throw .argument("form \(values.form) is not a NESTLING_SAVE_...")
        }
        try model.save(
            to: path, packed: packed, overwrites: try flag(values.overwrite, default: false, "overwrite"),
            progress: progress(values.progress, values.user_data))
    }
}
