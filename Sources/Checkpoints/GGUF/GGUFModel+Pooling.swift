import NestlingBasics

extension GGUFModel {
    /// How `pooling_type` makes one vector of a text, in the words of sentence-transformers; `nil`: the file does not say.
    ///
    /// Files do not say whether vectors are normalized, so they are not.
    private func poolingMode() throws(Failure) -> String? {
        let key = key("pooling_type")
        // Source: llama_pooling_type of llama.h.
        switch try metadata.optionalInteger(key, in: -1...Int(UInt32.max)) {
        case nil, -1, 0, Int(UInt32.max): return nil
        case 1: return "pooling_mode_mean_tokens"
        case 2: return "pooling_mode_cls_token"
        case 3: return "pooling_mode_lasttoken"
        case let type?:
            throw Failure(
                .unsupported,
                "\(metadata.name): \(key) is \(type); supported are 0 (none), 1 (mean), 2 (first token), 3 (last token)"
            )
        }
    }

    /// `modules.json` and the configuration of its pooling; empty if the file is no model of texts' vectors.
    func poolingFiles() throws(Failure) -> [String: JSON] {
        guard let mode = try poolingMode() else { return [:] }
        let prefix = "sentence_transformers.models."
        return [
            "modules.json": [
                ["idx": 0, "name": "0", "path": "", "type": .string(prefix + "Transformer")],
                ["idx": 1, "name": "1", "path": "1_Pooling", "type": .string(prefix + "Pooling")],
            ],
            "1_Pooling/config.json": [
                "word_embedding_dimension": .integer(try requiredSize("embedding_length")),
                "pooling_mode_cls_token": .bool(mode == "pooling_mode_cls_token"),
                "pooling_mode_mean_tokens": .bool(mode == "pooling_mode_mean_tokens"),
                "pooling_mode_lasttoken": .bool(mode == "pooling_mode_lasttoken"),
            ],
        ]
    }
}
