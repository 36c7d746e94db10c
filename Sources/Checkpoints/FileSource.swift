public import NestlingBasics

/// Where the files of a checkpoint come from: a directory, or buffers of the caller.
///
/// Names are relative, with `/` between folders. Names that leave the source (`..`, absolute) are refused, because
/// index files written by strangers choose them.
public protocol FileSource: Sendable {
    /// What messages call the source: the directory's path.
    var path: String { get }
    /// The bytes of file `name`, or `nil` if there is no such file.
    /// - Throws: `.io` or `.outOfMemory` if it cannot be read, `.corrupt` if the name leaves the source or the file is
    ///   not a regular one.
    func file(_ name: String) throws(Failure) -> FileBytes?
    /// Whether there is a regular file `name`.
    func contains(_ name: String) -> Bool
    /// The weights of `folder`, where they are no safetensors files.
    func weights(in folder: String) throws(Failure) -> WeightFile?
}

extension FileSource {
    public func weights(in folder: String) throws(Failure) -> WeightFile? { nil }

    /// The JSON file `name`, or `nil` if there is no such file.
    /// - Throws: as ``file(_:)``, and `.corrupt` if it is not JSON.
    public func json(_ name: String) throws(Failure) -> JSON? {
        guard let file = try file(name) else { return nil }
        let result = try JSON.parse(file.bytes, name: file.name)
        withExtendedLifetime(file) {}
        return result
    }

    /// The JSON file `name`, to be read with types, or `nil` if there is no such file.
    /// - Throws: as ``json(_:)``, and `.corrupt` if it holds no object.
    public func fields(_ name: String) throws(Failure) -> JSONFields? {
        guard let file = try file(name) else { return nil }
        let json = try JSON.parse(file.bytes, name: file.name)
        withExtendedLifetime(file) {}
        return try JSONFields(json, name: file.name)
    }
}

/// Joins the names of a folder and a file inside a source; an empty folder is the source itself.
func join(_ folder: String, _ name: String) -> String { folder.isEmpty ? name : folder + "/" + name }

/// Whether `name` stays inside its source. Control characters are refused, too: they would break messages into lines.
func isContained(_ name: String) -> Bool {
    let bytes = name.utf8
    if bytes.isEmpty || bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) { return false }
    return bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy { part in
        !part.isEmpty && !part.elementsEqual("..".utf8) && !part.elementsEqual(".".utf8)
    }
}
