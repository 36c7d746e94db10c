/// UTF-8 without `String`: the pipeline works on bytes that were checked once, at the door.
enum UTF8Text {
    /// The offset of the first byte that is not well-formed UTF-8 (RFC 3629), or nil.
    static func firstInvalidByte(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        let count = bytes.count
        var position = 0
        while position < count {
            // Eight ASCII bytes at a time.
            while position + 8 <= count,
                UnsafeRawPointer(base + position).loadUnaligned(as: UInt64.self) & 0x8080_8080_8080_8080 == 0
            {
                position += 8
            }
            if position >= count { break }
            let lead = base[position]
            if lead < 0x80 {
                position += 1
                continue
            }
            let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
            guard lead >= 0xC2, lead <= 0xF4, position + length <= count else { return position }
            let second = base[position + 1]
            let low: UInt8 = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80
            let high: UInt8 = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF
            guard second >= low, second <= high else { return position }
            for extra in 2..<max(length, 2) where base[position + extra] & 0xC0 != 0x80 { return position }
            position += length
        }
        return nil
    }

    /// `bytes` as a string; each maximal part that is not UTF-8 becomes one U+FFFD (Unicode 3.9, as Rust and the WHATWG do).
    static func string(_ bytes: [UInt8]) -> String {
        let repaired = bytes.withUnsafeBufferPointer { buffer -> [UInt8]? in
            guard firstInvalidByte(buffer) != nil else { return nil }
            var result: [UInt8] = []
            var position = 0
            while position < buffer.count {
                let rest = UnsafeBufferPointer(rebasing: buffer[position...])
                guard let bad = firstInvalidByte(rest) else {
                    result.append(contentsOf: rest)
                    break
                }
                result.append(contentsOf: rest[..<bad])
                result.append(contentsOf: [0xEF, 0xBF, 0xBD])
                position += bad + invalidLength(UnsafeBufferPointer(rebasing: rest[bad...]))
            }
            return result
        }
        return String(decoding: repaired ?? bytes, as: UTF8.self)
    }

    /// How many bytes at the beginning of `bytes`, which is not UTF-8, could have begun one character.
    private static func invalidLength(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        let lead = bytes[0]
        guard lead >= 0xC2, lead <= 0xF4 else { return 1 }
        let length = length(lead: lead)
        var valid = 1
        while valid < length, valid < bytes.count {
            let low: UInt8 = valid > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80
            let high: UInt8 = valid > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF
            guard bytes[valid] >= low, bytes[valid] <= high else { break }
            valid += 1
        }
        return valid
    }

    /// How many bytes a character that begins with `lead` has.
    @inline(__always)
    static func length(lead: UInt8) -> Int {
        lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    }

    /// How many bytes `scalar` takes.
    @inline(__always)
    static func length(scalar: UInt32) -> Int {
        scalar < 0x80 ? 1 : scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4
    }

    /// Appends `scalar`.
    @inline(__always)
    static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
        if scalar < 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: scalar))
        } else if scalar < 0x800 {
            bytes.append(UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F))
        } else if scalar < 0x10000 {
            bytes.append(UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3F))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F))
        } else {
            bytes.append(UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 12 & 0x3F))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 0x3F))
            bytes.append(UInt8(truncatingIfNeeded: 0x80 | scalar & 0x3F))
        }
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// The code point at `position` and its length in bytes. A sequence that is cut short counts as U+FFFD of one byte,
    /// which cannot happen in checked text; it keeps a mistake elsewhere from reading past the end.
    @inline(__always)
    func scalar(at position: Int) -> (scalar: UInt32, length: Int) {
        let lead = UInt32(self[position])
        if lead < 0x80 { return (lead, 1) }
        let length = UTF8Text.length(lead: UInt8(truncatingIfNeeded: lead))
        guard length > 1, position + length <= count else { return (0xFFFD, 1) }
        let second = UInt32(self[position + 1] & 0x3F)
        if length == 2 { return ((lead & 0x1F) << 6 | second, 2) }
        let third = UInt32(self[position + 2] & 0x3F)
        if length == 3 { return ((lead & 0x0F) << 12 | second << 6 | third, 3) }
        return ((lead & 0x07) << 18 | second << 12 | third << 6 | UInt32(self[position + 3] & 0x3F), 4)
    }

    /// The code point that ends before `position` and its length in bytes.
    @inline(__always)
    func scalar(before position: Int) -> (scalar: UInt32, length: Int) {
        var start = position - 1
        while start > 0, position - start < 4, self[start] & 0xC0 == 0x80 { start -= 1 }
        let found = scalar(at: start)
        return start + found.length == position ? found : (0xFFFD, 1)
    }
}
