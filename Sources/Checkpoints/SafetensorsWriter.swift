public import NestlingBasics
import Glibc

/// Writes one safetensors file: declare the tensors, hand their bytes over in that order, and finish.
///
/// The file grows under another name beside the final one and is renamed by ``finish()``, so that readers never see
/// half a file. Dropping the writer before that removes it. One thread at a time.
public final class SafetensorsWriter {
    /// What a tensor of the file will be.
    public struct Declaration: Sendable, Equatable {
        /// Its name.
        public var name: String
        /// Type of the elements.
        public var type: ElementType
        /// Its dimensions, outermost first.
        public var shape: [Int]

        /// Declares tensor `name`.
        public init(name: String, type: ElementType, shape: [Int]) {
            self.name = name
            self.type = type
            self.shape = shape
        }
    }

    /// Where the file will be.
    public let path: String
    /// Bytes of data that are still to be handed over.
    public private(set) var remainingCount: Int

    private let temporaryPath: String
    private var descriptor: Int32

    /// Begins the file with its header.
    /// - Parameters:
    ///   - path: the final path; an existing file is replaced when the writer finishes.
    ///   - tensors: all tensors, in the order in which their data will come. Put wide types first: some readers want
    ///     elements at multiples of their size.
    ///   - metadata: strings for `__metadata__`; transformers expects `format: pt`.
    /// - Throws: `.invalidArgument` for names or shapes that cannot be, `.io` if the file cannot be made.
    public init(path: String, tensors: [Declaration], metadata: [(key: String, value: String)] = []) throws(Failure) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw Failure(.invalidArgument, "\(path.quoted) is not a path of a file")
        }
        let (header, dataSize) = try Self.header(path: path, tensors: tensors, metadata: metadata)
        var generator = SystemRandomNumberGenerator()
        var temporaryPath: String
        var descriptor: Int32
        repeat {
            temporaryPath = path + ".partial-" + String(generator.next(), radix: 36)
            descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        } while descriptor < 0 && (errno == EEXIST || errno == EINTR)
        let code = errno
        self.path = path
        self.temporaryPath = temporaryPath
        self.descriptor = descriptor
        remainingCount = dataSize
        if descriptor < 0 { throw .system("cannot create", temporaryPath, code) }
        let result = header.withUnsafeBytes { bytes -> Failure? in
            do throws(Failure) {
                try put(bytes)
                return nil
            } catch {
                return error
            }
        }
        if let result { throw result }
    }

    /// Writes the next bytes of the data; pieces may be of any size and cross tensors.
    /// - Throws: `.invalidArgument` if there are more than declared, `.io` if the system does not take them; the file
    ///   is then removed and the writer is of no more use.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
        guard descriptor >= 0 else { throw closed }
        guard bytes.count <= remainingCount else {
            abandon()
            throw Failure(
                .invalidArgument,
                "\(path): \(bytes.count) bytes were handed over, but only \(remainingCount) are declared")
        }
        try put(bytes)
        remainingCount -= bytes.count
    }

    /// Gives the file its final name.
    /// - Throws: `.invalidArgument` if data is missing, `.io` if the system refuses; the file is then removed.
    public func finish() throws(Failure) {
        guard descriptor >= 0 else { throw closed }
        guard remainingCount == 0 else {
            abandon()
            throw Failure(.invalidArgument, "\(path): \(remainingCount) bytes of the declared data are missing")
        }
        var synchronized: Int32
        repeat { synchronized = fsync(descriptor) } while synchronized != 0 && errno == EINTR
        if synchronized != 0 {
            let code = errno
            // Some file systems cannot, and say so.
            if code != EINVAL && code != EROFS {
                abandon()
                throw .system("cannot write", path, code)
            }
        }
        let closing = close(descriptor)
        let closingCode = errno
        descriptor = -1
        if closing != 0 && closingCode != EINTR {
            unlink(temporaryPath)
            throw .system("cannot write", path, closingCode)
        }
        if rename(temporaryPath, path) != 0 {
            let code = errno
            unlink(temporaryPath)
            throw .system("cannot rename \(temporaryPath.quoted) to it", path, code)
        }
    }

    deinit { abandon() }

    private var closed: Failure { Failure(.invalidArgument, "\(path): the file is finished, or writing it has failed") }

    private func abandon() {
        guard descriptor >= 0 else { return }
        close(descriptor)
        descriptor = -1
        unlink(temporaryPath)
    }

    private func put(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
        guard let base = bytes.baseAddress else { return }
        var written = 0
        while written < bytes.count {
            let count = Glibc.write(descriptor, base + written, min(bytes.count - written, 1 << 30))
            if count > 0 {
                written += count
            } else if count == 0 || errno != EINTR {
                let code = count == 0 ? ENOSPC : errno
                abandon()
                throw .system("cannot write", path, code)
            }
        }
    }

    /// The length and the JSON, padded with spaces so that the data begins at a multiple of 64: what is
    /// packed for a cache line can be used where it lies.
    private static func header(
        path: String, tensors: [Declaration], metadata: [(key: String, value: String)]
    ) throws(Failure) -> (bytes: [UInt8], dataSize: Int) {
        var object = JSONObject()
        if !metadata.isEmpty {
            var strings = JSONObject()
            for (key, value) in metadata { strings[key] = .string(value) }
            object["__metadata__"] = .object(strings)
        }
        var end = 0
        for tensor in tensors {
            let place = "\(path): tensor \(tensor.name.quoted)"
            guard UTF8Key(tensor.name) != UTF8Key("__metadata__"), !object.contains(tensor.name) else {
                throw Failure(.invalidArgument, "\(place) is declared twice, or has a name that is taken")
            }
            guard tensor.shape.allSatisfy({ $0 >= 0 }) else {
                throw Failure(.invalidArgument, "\(place): shape \(describe(tensor.shape)) has a negative dimension")
            }
            guard tensor.type.block == nil else {
                throw Failure(.invalidArgument, "\(place): safetensors files have no type \(tensor.type.rawValue)")
            }
            let elementCount = try Safetensors.elementCount(tensor.shape, place)
            guard let byteCount = tensor.type.byteCount(of: elementCount) else {
                throw Failure(.invalidArgument, "\(place): shape \(describe(tensor.shape)) is no number of bytes")
            }
            let begin = end
            end = try begin.added(to: byteCount, place)
            object[tensor.name] = [
                "dtype": .string(tensor.type.rawValue), "shape": .array(tensor.shape.map { .integer($0) }),
                "data_offsets": [.integer(begin), .integer(end)],
            ]
        }
        var text = Array(JSON.object(object).serialized().utf8)
        while (text.count + MemoryLayout<UInt64>.size) % 64 != 0 { text.append(0x20) }
        guard text.count <= Safetensors.maximumHeaderSize else {
            throw Failure(
                .invalidArgument, "\(path): the header would be \(text.count) bytes; at most 100000000 are read")
        }
        let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
        return (length + text, end)
    }
}
