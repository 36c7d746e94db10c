import CNestling
import Glibc
import Nestling

/// The calling thread's last message, in memory of its own, so that a message can be kept even when none is left.
enum LastError {
    private static let capacity = 1024

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key) { free($0) }
        return key
    }()

    private static let empty: StaticString = ""

    /// The message, NUL-terminated; empty if there is none.
    static var text: UnsafePointer<CChar> {
        guard let memory = pthread_getspecific(key) else {
            return UnsafeRawPointer(empty.utf8Start).assumingMemoryBound(to: CChar.self)
        }
        return UnsafePointer(memory.assumingMemoryBound(to: CChar.self))
    }

    /// Keeps `message`, cut where it does not fit, between characters.
    static func set(_ message: String) {
        var memory = pthread_getspecific(key)
        if memory == nil {
            memory = calloc(1, capacity)
            guard memory != nil, pthread_setspecific(key, memory) == 0 else {
                free(memory)
                return
            }
        }
        guard let buffer = memory?.assumingMemoryBound(to: UInt8.self) else { return }
        var count = 0
        for character in message.unicodeScalars {
            let bytes = UTF8.encode(character) ?? UTF8.encodedReplacementCharacter
            guard count + bytes.count < capacity else { break }
            // A message is one line, whatever a file's names contain.
            for byte in bytes { buffer[count] = byte < 0x20 || byte == 0x7F ? 0x20 : byte; count += 1 }
        }
        buffer[count] = 0
    }
}

/// Runs the body of a C function: NESTLING_OK, or the status and message of what it threw.
func reporting(_ body: () throws(NestlingError) -> Void) -> nestling_status {
    do throws(NestlingError) {
        try body()
        return nestling_status(NESTLING_OK)
    } catch {
        LastError.set(error.message)
        return error.kind.rawValue
    }
}

extension NestlingError {
    static func argument(_ message: String) -> NestlingError { NestlingError(.invalidArgument, message) }
}

/// A pointer that must not be NULL.
func require<Pointer>(_ pointer: Pointer?, _ name: String) throws(NestlingError) -> Pointer {
    guard let pointer else { throw .argument("\(name) is NULL") }
    return pointer
}

/// A C string that must not be NULL and must be UTF-8.
func text(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(NestlingError) -> String {
    guard let text = String(validatingCString: try require(pointer, name)) else {
        throw .argument("\(name) is not UTF-8")
    }
    return text
}

/// A C string that may be NULL.
func optionalText(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(NestlingError) -> String? {
    pointer == nil ? nil : try text(pointer, name)
}

/// The size idiom of the header: writes the number needed, and says whether there is a buffer to fill.
func fits<Element>(
    _ needed: Int, _ buffer: UnsafeMutablePointer<Element>?, _ count: UnsafeMutablePointer<Int>, _ unit: String
) throws(NestlingError) -> UnsafeMutablePointer<Element>? {
    guard let buffer else {
        count.pointee = needed
        return nil
    }
    // Sizes above Int.max arrive as negative numbers: more room than anything needs.
    let capacity = UInt(bitPattern: count.pointee)
    if capacity < UInt(needed) {
        count.pointee = needed
        throw NestlingError(.bufferTooSmall, "the buffer holds \(capacity) \(unit), \(needed) are needed")
    }
    return buffer
}

/// Delivers text by the size idiom, NUL-terminated.
func deliver(
    _ text: String, _ buffer: UnsafeMutablePointer<CChar>?, _ count: UnsafeMutablePointer<Int>?
) throws(NestlingError) {
    let count = try require(count, "inout_count")
    let bytes = text.utf8
    let needed = bytes.count + 1
    guard let buffer = try fits(needed, buffer, count, "bytes") else { return }
    for (index, byte) in bytes.enumerated() { buffer[index] = CChar(bitPattern: byte) }
    buffer[needed - 1] = 0
    count.pointee = needed
}

/// The caller's progress callback, as the engine calls it.
func progress(_ callback: nestling_progress?, _ userData: UnsafeMutableRawPointer?) -> ProgressHandler? {
    guard let callback else { return nil }
    return { stage, done, total throws(NestlingError) in
        if callback(stage, UInt64(done), UInt64(total), userData) != 0 {
            throw NestlingError(.cancelled, "cancelled by the progress callback")
        }
    }
}
