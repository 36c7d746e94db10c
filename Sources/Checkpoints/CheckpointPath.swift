public import NestlingBasics

/// Where a path leads: to the directory of a checkpoint, or to a GGUF file.
public enum CheckpointPath {
    /// Opens the checkpoint at `path`: a directory as transformers writes it, a GGUF file, or a directory that holds a GGUF file
    /// and neither `config.json` nor safetensors files. With `map`, large files are mapped.
    /// - Throws: as ``DirectorySource/init(path:map:)`` and ``GGUFSource/init(file:path:)``; `.unsupported` if the directory
    ///   holds several GGUF files.
    public static func open(_ path: String, map: Bool = true) throws(Failure) -> any FileSource {
        let (folder, name) = split(path)
        if let parent = try? DirectorySource(path: folder, map: map), parent.contains(name),
            let file = try parent.file(name), name.hasSuffix(suffix) || file.bytes.starts(with: "GGUF".utf8)
        {
            return try GGUFSource(file: file, path: path)
        }
        let directory = try DirectorySource(path: path, map: map)
        guard !directory.contains("config.json"), !directory.contains("model.safetensors") else { return directory }
        let names = try directory.names(endingWith: suffix)
        guard let name = names.first else { return directory }
        guard names.count == 1 else {
            throw Failure(
                .unsupported,
                "\(path): holds \(names.count) GGUF files; give the path of one of them, as \(name.quoted)")
        }
        return try source(name, in: directory, path: path + "/" + name)
    }

    /// Opens the checkpoint whose files lie in memory: one as transformers writes it, or a GGUF file alone.
    public static func open(_ files: MemorySource) throws(Failure) -> any FileSource {
        let names = files.names.filter { $0.hasSuffix(suffix) }
        guard names.count == 1, !files.contains("config.json") else { return files }
        return try source(names[0], in: files, path: names[0])
    }

    /// What the names of GGUF files end with.
    public static let suffix = ".gguf"

    private static func source(_ name: String, in files: any FileSource, path: String) throws(Failure) -> GGUFSource {
        guard let file = try files.file(name) else { throw Failure(.notFound, "\(path): there is no such file") }
        return try GGUFSource(file: file, path: path)
    }

    /// The directory of `path`, and the name in it.
    private static func split(_ path: String) -> (folder: String, name: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let folder = parts.dropLast().joined(separator: "/")
        return (folder.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : folder, String(parts.last ?? ""))
    }
}
