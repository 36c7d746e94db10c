public import NestlingBasics

/// Files that the caller holds in memory.
public struct MemorySource: FileSource {
    /// What messages call the source.
    public let path: String

    private let files: [UTF8Key: FileBytes]

    /// Lends `files`, whose bytes must stay valid and unchanged as long as the source and what was made from it;
    /// `owner`, if any, is kept alive as long. Of files with the same name the last counts.
    public init(
        files: [(name: String, bytes: UnsafeRawBufferPointer)], owner: (any AnyObject & Sendable)? = nil,
        path: String = "memory"
    ) {
        self.path = path
        var result: [UTF8Key: FileBytes] = [:]
        for (name, bytes) in files {
            result[UTF8Key(name)] = FileBytes(name: name, borrowing: bytes, owner: owner)
        }
        self.files = result
    }

    /// The names of all files, in no order.
    public var names: [String] { files.keys.map(\.string) }

    /// See ``FileSource/file(_:)``.
    public func file(_ name: String) throws(Failure) -> FileBytes? { files[UTF8Key(name)] }

    /// See ``FileSource/contains(_:)``.
    public func contains(_ name: String) -> Bool { files[UTF8Key(name)] != nil }
}
