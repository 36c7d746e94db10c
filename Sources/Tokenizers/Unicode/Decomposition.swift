import NestlingCUtf8proc

/// Canonical and compatibility decomposition with canonical ordering (UAX #15), as the reference has it: by the data of
/// Unicode 9, and with the change counts that its alignment is built from.
///
/// Decompositions and combining classes of assigned code points never change (Unicode's stability policy), so any
/// utf8proc gives those of Unicode 9 once younger code points are left alone; ``CharacterRanges/normalizationActive``
/// says which are old enough.
struct Decomposition {
    private let options: utf8proc_option_t
    private let classes = CharacterClasses.shared
    private var pending: [(combining: UInt16, scalar: UInt32, change: Int)] = []

    /// A decomposition to NFKD if `compatible`, else to NFD.
    init(compatible: Bool) {
        let decompose = UTF8PROC_DECOMPOSE.rawValue
        options = utf8proc_option_t(rawValue: compatible ? decompose | UTF8PROC_COMPAT.rawValue : decompose)
    }

    /// The canonical combining class of `scalar` in Unicode 9.
    @inline(__always)
    static func combiningClass(_ scalar: UInt32) -> UInt16 {
        guard CharacterClasses.shared[scalar].contains(.normalizationActive) else { return 0 }
        return UInt16(bitPattern: utf8proc_get_property(Int32(bitPattern: scalar)).pointee.combining_class)
    }

    /// Calls `emit` with every code point of the decomposed text and its change: 0 for the first one that an old
    /// character became, 1 for the others. Ordering moves the changes along with the code points.
    mutating func run(_ bytes: UnsafeBufferPointer<UInt8>, _ emit: (UInt32, Int) -> Void) {
        var position = 0
        while position < bytes.count {
            let (scalar, length) = bytes.scalar(at: position)
            position += length
            if scalar < 0x80 || (!classes[scalar].contains(.normalizationActive) && !Self.isHangulSyllable(scalar)) {
                flush(emit)
                emit(scalar, 0)
            } else if Self.isHangulSyllable(scalar) {
                flush(emit)
                let index = scalar - 0xAC00
                emit(0x1100 + index / 588, 0)
                emit(0x1161 + index % 588 / 28, 1)
                if index % 28 > 0 { emit(0x11A7 + index % 28, 1) }
            } else {
                decompose(scalar, emit)
            }
        }
        flush(emit)
    }

    static func isHangulSyllable(_ scalar: UInt32) -> Bool { scalar >= 0xAC00 && scalar < 0xAC00 + 11172 }

    private mutating func decompose(_ scalar: UInt32, _ emit: (UInt32, Int) -> Void) {
        withUnsafeTemporaryAllocation(of: utf8proc_int32_t.self, capacity: 32) { buffer in
            var boundary: Int32 = 0
            let count = utf8proc_decompose_char(
                Int32(bitPattern: scalar), buffer.baseAddress, buffer.count, options, &boundary)
            // No decomposition is longer than 18; should a library say otherwise, the code point stays itself.
            guard count > 0, count <= buffer.count else { return push(scalar, 0, emit) }
            for index in 0..<count { push(UInt32(bitPattern: buffer[index]), index == 0 ? 0 : 1, emit) }
        }
    }

    private mutating func push(_ scalar: UInt32, _ change: Int, _ emit: (UInt32, Int) -> Void) {
        let combining = Self.combiningClass(scalar)
        if combining == 0 {
            flush(emit)
            emit(scalar, change)
        } else {
            pending.append((combining, scalar, change))
        }
    }

    /// Emits the marks that wait, in the order of their combining classes; equal ones keep their order.
    private mutating func flush(_ emit: (UInt32, Int) -> Void) {
        if pending.isEmpty { return }
        if pending.count > 1 {
            let order = pending.indices.sorted {
                (pending[$0].combining, $0) < (pending[$1].combining, $1)
            }
            for index in order { emit(pending[index].scalar, pending[index].change) }
        } else {
            emit(pending[0].scalar, pending[0].change)
        }
        pending.removeAll(keepingCapacity: true)
    }
}
