import CNestling
import Nestling

@c @implementation
public func nestling_version_number() -> UInt32 {
    UInt32(Engine.version.major * 1_000_000 + Engine.version.minor * 1000 + Engine.version.patch)
}

@c @implementation
public func nestling_abi_version() -> UInt32 { UInt32(NESTLING_ABI_VERSION) }

@c @implementation
public func nestling_build_info(
    _ buffer: UnsafeMutablePointer<CChar>?, _ inout_count: UnsafeMutablePointer<Int>?
) -> nestling_status {
    reporting { () throws(NestlingError) in try deliver(Engine.info.serialized(), buffer, inout_count) }
}

/// Names of statuses, in memory that is never freed.
private let statusNames: [nestling_status: StaticString] = [
    nestling_status(NESTLING_OK): "OK",
    nestling_status(NESTLING_ERROR_INVALID_ARGUMENT): "INVALID_ARGUMENT",
    nestling_status(NESTLING_ERROR_NOT_FOUND): "NOT_FOUND",
    nestling_status(NESTLING_ERROR_IO): "IO",
    nestling_status(NESTLING_ERROR_CORRUPT): "CORRUPT",
    nestling_status(NESTLING_ERROR_UNSUPPORTED): "UNSUPPORTED",
    nestling_status(NESTLING_ERROR_OUT_OF_MEMORY): "OUT_OF_MEMORY",
    nestling_status(NESTLING_ERROR_BUFFER_TOO_SMALL): "BUFFER_TOO_SMALL",
    nestling_status(NESTLING_ERROR_CANCELLED): "CANCELLED",
    nestling_status(NESTLING_ERROR_INTERNAL): "INTERNAL",
]

@c @implementation
public func nestling_status_name(_ status: nestling_status) -> UnsafePointer<CChar>? {
    let name = statusNames[status] ?? "UNKNOWN"
    return UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c @implementation
public func nestling_last_error_message() -> UnsafePointer<CChar>? { LastError.text }

@c @implementation
public func nestling_set_thread_count(_ count: Int32) -> nestling_status {
    reporting { () throws(NestlingError) in
        guard (0...1024).contains(count) else { throw .argument("count \(count) is not in 0 ... 1024") }
        Engine.threadCount = Int(count)
    }
}

@c @implementation
public func nestling_thread_count() -> Int32 { Int32(Engine.threadCount) }
