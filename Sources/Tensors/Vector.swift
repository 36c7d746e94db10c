public import NestlingBasics
import NestlingKernels

/// A learned vector (a bias, the scale of a norm) in float32, of which a prefix may be in use.
public struct Vector: Sendable {
    private let storage: AlignedStorage
    /// Elements in use.
    public let count: Int

    /// Converts `count` elements of `type` at `bytes`.
    public init(converting bytes: UnsafeRawPointer, type: StoredType, count: Int) throws(Failure) {
        storage = try AlignedStorage(count: count)
        nk_to_f32(bytes, type.kernel, count, storage.pointer)
        self.count = count
    }

    /// Takes over `values`.
    public init(_ values: [Float]) throws(Failure) {
        storage = try AlignedStorage(count: values.count)
        for (index, value) in values.enumerated() { storage.pointer[index] = value }
        count = values.count
    }

    /// Makes room for `count` values, which `write` writes.
    public init(count: Int, _ write: (UnsafeMutablePointer<Float>) -> Void) throws(Failure) {
        storage = try AlignedStorage(count: count)
        write(storage.pointer)
        self.count = count
    }

    private init(storage: AlignedStorage, count: Int) {
        self.storage = storage
        self.count = count
    }

    /// The first element; valid while this value, or a prefix of it, is alive.
    public var pointer: UnsafePointer<Float> { UnsafePointer(storage.pointer) }

    /// Bytes of the elements in use.
    public var bytes: Int { count * MemoryLayout<Float>.stride }

    /// The products with the elements of `factors`, of which there are as many.
    public func multiplied(by factors: [Float]) throws(Failure) -> Vector {
        try Vector(zip(0..<count, factors).map { pointer[$0] * $1 })
    }

    /// The leading `count` elements, sharing the memory.
    public func prefix(_ count: Int) -> Vector { Vector(storage: storage, count: min(count, self.count)) }
}
