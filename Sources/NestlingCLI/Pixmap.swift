import Nestling

/// A picture from a PGM or PPM file (binary: P5, P6), which every image program writes: `magick photo.jpg photo.ppm`.
struct Pixmap {
    let width: Int
    let height: Int
    /// 1 (gray) or 3.
    let channels: Int
    /// `[height, width, channels]`.
    let pixels: [UInt8]

    /// Reads the bytes of a file, which messages call `name`.
    init(_ bytes: [UInt8], name: String) throws(Failure) {
        var reader = Reader(bytes: bytes, name: name)
        switch (bytes.first, bytes.dropFirst().first) {
        case (0x50, 0x35): channels = 1
        case (0x50, 0x36): channels = 3
        default:
            throw Failure(
                .unsupported, "\(name) is neither a PPM nor a PGM file (P6, P5); other formats can be converted: magick"
            )
        }
        reader.position = 2
        width = try reader.number("width", most: 65_535)
        height = try reader.number("height", most: 65_535)
        let most = try reader.number("greatest level", most: 65_535)
        guard most == 255 else { throw Failure(.unsupported, "\(name) has levels up to \(most); expected 255") }
        // One byte of white space.
        let start = reader.position + 1
        let count = width * height * channels
        guard bytes.count - start >= count else {
            throw Failure(.corrupt, "\(name) ends after \(max(0, bytes.count - start)) of \(count) bytes of pixels")
        }
        pixels = Array(bytes[start..<start + count])
    }

    /// The picture as `preparation` makes it.
    func prepared(_ preparation: ImagePreparation, name: String) throws(Failure) -> PreparedImage {
        var outcome: Result<PreparedImage, Failure>?
        pixels.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            do throws(Failure) {
                let view = try ImageView(
                    base: base, element: .unsigned8, width: width, height: height, channels: channels, name: name)
                outcome = .success(try preparation.prepare(view, name: name))
            } catch {
                outcome = .failure(error)
            }
        }
        guard let outcome else { throw Failure(.corrupt, "\(name) has no pixels") }
        return try outcome.get()
    }

    /// The numbers of the header.
    private struct Reader {
        let bytes: [UInt8]
        let name: String
        var position = 0

        mutating func number(_ what: String, most: Int) throws(Failure) -> Int {
            skip()
            var number = 0
            let start = position
            while position < bytes.count, (0x30...0x39).contains(bytes[position]), number <= most {
                number = number * 10 + Int(bytes[position] - 0x30)
                position += 1
            }
            guard position > start, position < bytes.count, (1...most).contains(number) else {
                throw Failure(.corrupt, "\(name): its \(what) is not a number in 1 ... \(most)")
            }
            return number
        }

        /// White space, and comments from # to the end of the line.
        private mutating func skip() {
            var isComment = false
            while position < bytes.count {
                let byte = bytes[position]
                if byte == 0x0A {
                    isComment = false
                } else if byte == 0x23 {
                    isComment = true
                } else if !isComment, byte != 0x20, byte != 0x09, byte != 0x0D {
                    return
                }
                position += 1
            }
        }
    }
}
