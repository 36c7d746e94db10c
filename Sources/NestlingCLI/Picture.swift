import Nestling

/// A picture from a file: PNG, JPEG, or the binary forms of PPM and PGM.
struct Picture {
    /// What can be read, as help says it.
    static let formats = "PNG, JPEG, PPM or PGM"

    let width: Int
    let height: Int
    /// 1 (gray) or 3.
    let channels: Int
    /// `[height, width, channels]`.
    let pixels: [UInt8]

    /// Reads the file `path`.
    init(path: String) throws(Failure) { self = try Picture(WholeFile.read(path), name: path) }

    /// Reads the bytes of a file, which messages call `name`. What is in them decides, not the name.
    init(_ bytes: [UInt8], name: String) throws(Failure) {
        let start = bytes.prefix(2)
        if start.elementsEqual(Array("P5".utf8)) || start.elementsEqual(Array("P6".utf8)) {
            self = try Picture(pixmap: bytes, name: name)
        } else {
            self = try Picture(compressed: bytes, name: name)
        }
    }

    init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
        self.width = width
        self.height = height
        self.channels = channels
        self.pixels = pixels
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
}
