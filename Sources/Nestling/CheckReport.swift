/// Whether a checkpoint is whole: its settings, every tensor that its network needs, and its tokenizer.
public struct CheckReport: Sendable {
    /// What was found about the network.
    public let network: CheckpointCheck
    /// What is wrong, a line each; empty: nothing.
    public let problems: [String]
    /// Entries of the tokenizer's vocabulary; `nil` without a tokenizer.
    public let tokenizerVocabulary: Int?
    /// Whether every weight was looked at, and not only the headers.
    public let checksValues: Bool

    /// Checks the checkpoint at `path`, a directory or a GGUF file.
    /// - Throws: only if the files cannot be read at all.
    public init(path: String, values: Bool) throws(Failure) {
        let source: any FileSource
        do throws(Failure) {
            source = try CheckpointPath.open(path)
        } catch {
            guard error.kind == .corrupt || error.kind == .unsupported else { throw error }
            self.init(problem: error.message, values: values)
            return
        }
        try self.init(source, values: values)
    }

    private init(problem: String, values: Bool) {
        network = CheckpointCheck(problem: problem)
        problems = [problem]
        tokenizerVocabulary = nil
        checksValues = values
    }

    /// Checks the checkpoint of `source` without packing its weights; with `values` also that every number is finite.
    /// - Throws: only if the files cannot be read at all.
    public init(_ source: any FileSource, values: Bool) throws(Failure) {
        network = try CheckpointCheck(source, values: values)
        checksValues = values
        var problems = network.problems
        var vocabulary: Int?
        do throws(Failure) {
            let settings = try SentenceTransformersSettings(source: source)
            vocabulary = try Tokenizer(in: source, folder: settings.transformerFolder)?.vocabularySize
        } catch {
            if error.kind == .io || error.kind == .outOfMemory { throw error }
            // Damaged settings have been reported with the network.
            if !problems.contains(error.message) { problems.append(error.message) }
        }
        self.problems = problems
        tokenizerVocabulary = vocabulary
    }

    /// The report as `nestling_check` gives it.
    public var json: JSON {
        var document = network.json.object ?? JSONObject()
        document["valid"] = .bool(problems.isEmpty)
        document["problems"] = .array(problems.map { .string($0) })
        document["tokenizer_vocabulary"] = tokenizerVocabulary.map { .integer($0) } ?? .null
        document["values_checked"] = .bool(checksValues)
        return .object(document)
    }
}
