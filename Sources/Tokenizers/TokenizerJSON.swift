import NestlingBasics

extension Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// - Parameters:
    ///   - json: The file's bytes; they are not kept.
    ///   - name: What messages call the file.
    /// - Throws: `corrupt` if the file is damaged or contradicts itself, `unsupported` if it has a component that this
    ///   build does not know; the message names the file and the key.
    public convenience init(json: UnsafeRawBufferPointer, name: String) throws(Failure) {
        let root = try Settings(try JSON.parse(json, name: name), path: "\(name):")
        if let version = root.value("version"), version.string != "1.0" {
            throw Failure(.unsupported, "\(root.path("version")): only version \"1.0\" is known")
        }
        for stage in ["normalizer", "pre_tokenizer", "post_processor", "decoder"] {
            let count = Self.components(root.value(stage))
            guard count <= Limits.components else {
                throw Failure(
                    .unsupported, "\(root.path(stage)): \(count) components; at most \(Limits.components) are possible")
            }
        }
        let model = try Models.read(try root.settings("model"))
        let normalizer: (any Normalizer)? =
            root.has("normalizer") ? try Normalizers.read(try root.settings("normalizer")) : nil
        var added: [AddedTokens.Token] = []
        if root.has("added_tokens") {
            for (index, value) in try root.array("added_tokens").enumerated() {
                added.append(
                    try AddedTokens.Token(try Settings(value, path: "\(root.path("added_tokens"))[\(index)]")))
            }
        }
        try self.init(
            normalizer: normalizer,
            preTokenizer: root.has("pre_tokenizer")
                ? try PreTokenizers.read(try root.settings("pre_tokenizer")) : nil,
            model: model,
            postProcessor: root.has("post_processor")
                ? try PostProcessors.read(try root.settings("post_processor")) : nil,
            decoder: root.has("decoder") ? try Decoders.read(try root.settings("decoder")) : nil,
            added: added,
            truncation: root.has("truncation") ? try Truncation(try root.settings("truncation")) : nil,
            padding: root.has("padding") ? try Padding(try root.settings("padding")) : nil)
    }

    /// How many components a stage has, those inside of sequences included.
    private static func components(_ stage: JSON?) -> Int {
        let parts = ["normalizers", "pretokenizers", "processors", "decoders"].flatMap { stage?[$0]?.array ?? [] }
        return parts.reduce(1) { $0 + components($1) }
    }
}
