import NestlingCUtf8proc

/// Canonical composition (UAX #15) of decomposed and ordered code points, with the change counts of the reference: a
/// composed code point takes the places of all that went into it.
struct Composition {
    private var starter: (scalar: UInt32, change: Int)?
    private var marks: [(scalar: UInt32, change: Int)] = []
    private var lastClass: UInt16?

    /// Takes the next code point and calls `emit` with those that nothing can be composed with any more.
    mutating func add(_ scalar: UInt32, _ change: Int, _ emit: (UInt32, Int) -> Void) {
        let combining = scalar < 0x300 ? 0 : Decomposition.combiningClass(scalar)
        guard let base = starter else {
            if combining == 0 { starter = (scalar, change) } else { emit(scalar, change) }
            return
        }
        if let lastClass {
            if lastClass >= combining {
                // Blocked from the starter.
                if combining == 0 {
                    emit(base.scalar, base.change)
                    for mark in marks { emit(mark.scalar, mark.change) }
                    marks.removeAll(keepingCapacity: true)
                    starter = (scalar, change)
                    self.lastClass = nil
                } else {
                    marks.append((scalar, change))
                    self.lastClass = combining
                }
            } else if let composed = Self.compose(base.scalar, scalar) {
                starter = (composed, base.change + change - 1)
            } else {
                marks.append((scalar, change))
                self.lastClass = combining
            }
        } else if let composed = Self.compose(base.scalar, scalar) {
            starter = (composed, base.change + change - 1)
        } else if combining == 0 {
            emit(base.scalar, base.change)
            starter = (scalar, change)
        } else {
            marks.append((scalar, change))
            lastClass = combining
        }
    }

    /// Emits what is left.
    mutating func finish(_ emit: (UInt32, Int) -> Void) {
        if let starter { emit(starter.scalar, starter.change) }
        for mark in marks { emit(mark.scalar, mark.change) }
        starter = nil
        marks = []
        lastClass = nil
    }

    /// What `first` and `second` compose to, or nil.
    @inline(__always)
    private static func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if second < 0x300 { return nil }
        if first >= 0x1100, first < 0x1113, second >= 0x1161, second < 0x1176 {
            return 0xAC00 + (first - 0x1100) * 588 + (second - 0x1161) * 28
        }
        if Decomposition.isHangulSyllable(first), (first - 0xAC00) % 28 == 0, second > 0x11A7, second < 0x11C3 {
            return first + (second - 0x11A7)
        }
        return composeByTable(first, second)
    }

    private static func composeByTable(_ first: UInt32, _ second: UInt32) -> UInt32? {
        withUnsafeTemporaryAllocation(of: utf8proc_int32_t.self, capacity: 4) { pair in
            pair.initialize(repeating: 0)
            pair[0] = Int32(bitPattern: first)
            pair[1] = Int32(bitPattern: second)
            let options = utf8proc_option_t(rawValue: UTF8PROC_COMPOSE.rawValue | UTF8PROC_STABLE.rawValue)
            guard utf8proc_normalize_utf32(pair.baseAddress, 2, options) == 1 else { return nil }
            let composed = UInt32(bitPattern: pair[0])
            // Younger than Unicode 9: the reference does not know it.
            return CharacterClasses.shared[composed].contains(.normalizationActive) ? composed : nil
        }
    }
}
