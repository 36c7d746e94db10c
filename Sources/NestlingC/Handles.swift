import Nestling

/// Handles are retained references to the library's own objects; `release` gives the reference back.
func handle(_ object: AnyObject) -> OpaquePointer { OpaquePointer(Unmanaged.passRetained(object).toOpaque()) }

/// The object of a handle that must not be NULL.
func object<Object: AnyObject>(
    _ handle: OpaquePointer?, as type: Object.Type, _ name: String
) throws(NestlingError) -> Object {
    Unmanaged<Object>.fromOpaque(UnsafeRawPointer(try require(handle, name))).takeUnretainedValue()
}

/// Adds a reference.
func retain(_ handle: OpaquePointer?) -> OpaquePointer? {
    if let handle { _ = Unmanaged<AnyObject>.fromOpaque(UnsafeRawPointer(handle)).retain() }
    return handle
}

/// Gives a reference back.
func release(_ handle: OpaquePointer?) {
    if let handle { Unmanaged<AnyObject>.fromOpaque(UnsafeRawPointer(handle)).release() }
}
