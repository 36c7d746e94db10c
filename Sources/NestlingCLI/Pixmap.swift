import Nestling

extension Picture {
    /// Reads a PGM or PPM file (binary: P5, P6), which every image program writes: `magick photo.tif photo.ppm`.
    init(pixmap bytes: [UInt8], name: String) throws(Failure) {
        var reader = Reader(bytes: bytes, name: name)
        reader.position = 2
        let channels = bytes[1] == UInt8(ascii: "5") ? 1 : 3
        let width = try reader.number("width", most: 65_535)
        let height = try reader.number("height", most: 65_535)
        let most = try reader.number("greatest level", most: 65_535)
        guard most == 255 else { throw Failure(.unsupported, "\(name) has levels up to \(most); expected 255") }
        // One byte of white space.
        let start = reader.position + 1
        let count = width * height * channels
        guard bytes.count - start >= count else {
            throw Failure(.corrupt, "\(name) ends after \(max(0, bytes.count - start)) of \(count) bytes of pixels")
        }
        self.init(width: width, height: height, channels: channels, pixels: Array(bytes[start..<start + count]))
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
