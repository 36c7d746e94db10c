import NestlingBasics

extension GGUFTokenizer {
    /// `tokenizer.json` of a BPE of bytes; `nil` for others.
    ///
    /// Vocabularies have hundreds of thousands of entries, so their text is written at once.
    func json() throws(Failure) -> [UInt8]? {
        guard try model() == .bytePairs, let preTokenizer = try preTokenizer() else { return nil }
        let tokens = try tokens()
        var output: [UInt8] = []
        func write(_ text: String) { output.append(contentsOf: text.utf8) }
        write(#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":["#)
        var isFirst = true
        for (id, token) in tokens.enumerated() where token.kind == .control || token.kind == .userDefined {
            write(isFirst ? #"{"id":\#(id),"content":"# : #",{"id":\#(id),"content":"#)
            isFirst = false
            output.append(quoting: token.text)
            write(
                #","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":\#(token.kind == .control)}"#
            )
        }
        write(#"],"normalizer":"#)
        write(preTokenizer.composes ? #"{"type":"NFC"}"# : "null")
        write(#","pre_tokenizer":"# + preTokenizer.json.serialized())
        write(#","post_processor":"# + (try postProcessor(tokens)).serialized())
        write(#","decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},"model":"#)
        write(#"{"type":"BPE","ignore_merges":\#(preTokenizer.ignoresMerges),"vocab":{"#)
        isFirst = true
        for (id, token) in tokens.enumerated() where token.kind != .unused {
            if !isFirst { write(",") }
            isFirst = false
            output.append(quoting: token.text)
            write(":\(id)")
        }
        write(#"},"merges":["#)
        guard let merges = contents.array("tokenizer.ggml.merges"), merges.type == .string else {
            throw Failure(.corrupt, "\(metadata.name): tokenizer.ggml.merges is missing, or is no array of strings")
        }
        try merges.forEachString { index, text in
            if index > 0 { write(",") }
            output.append(quoting: text)
        }
        write("]}}")
        return output
    }

    /// What puts the tokens of the beginning and the end around a text.
    private func postProcessor(_ tokens: [(text: UnsafeRawBufferPointer, kind: Kind)]) throws(Failure) -> JSON {
        var special = JSONObject()
        func part(_ adds: Bool, _ name: String) throws(Failure) -> String? {
            guard adds else { return nil }
            guard let id = try id(name, count: tokens.count) else {
                throw Failure(
                    .corrupt,
                    "\(metadata.name): tokenizer.ggml.\(name)_token_id is missing, though texts shall have the token")
            }
            let text = String(decoding: tokens[id].text, as: UTF8.self)
            special[text] = ["id": .string(text), "ids": [.integer(id)], "tokens": [.string(text)]]
            return text
        }
        let first = try part(addsFirst(), "bos")
        let last = try part(addsLast(), "eos")
        guard first != nil || last != nil else {
            // tokenizers opens none that lacks a key.
            return ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false]
        }
        func template(_ texts: [String]) -> JSON {
            var parts: [JSON] = []
            for (index, text) in texts.enumerated() {
                let type = JSON.integer(index)
                if let first { parts.append(["SpecialToken": ["id": .string(first), "type_id": type]]) }
                parts.append(["Sequence": ["id": .string(text), "type_id": type]])
                if let last { parts.append(["SpecialToken": ["id": .string(last), "type_id": type]]) }
            }
            return .array(parts)
        }
        return [
            "type": "TemplateProcessing", "single": template(["A"]), "pair": template(["A", "B"]),
            "special_tokens": .object(special),
        ]
    }
}

extension [UInt8] {
    /// Adds `text`, UTF-8, as a JSON string.
    fileprivate mutating func append(quoting text: UnsafeRawBufferPointer) {
        append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                append(UInt8(ascii: "\\"))
                append(byte)
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                append(contentsOf: "\\u00".utf8)
                append(digits[Int(byte) / 16])
                append(digits[Int(byte) % 16])
            default: append(byte)
            }
        }
        append(UInt8(ascii: "\""))
    }
}
