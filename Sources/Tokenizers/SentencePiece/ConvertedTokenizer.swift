import NestlingBasics

extension Tokenizer {
    /// The tokenizer that transformers makes of `file` for the class `className`, whose facts are `family`.
    convenience init(
        _ file: SentencePieceFile, _ pieces: SentencePieces, _ family: ConvertedFamily, className: String,
        _ config: Settings
    ) throws(Failure) {
        var names = family.names
        for key in ConvertedFamily.keys where config.has(key) { names[key] = try Self.token(config, key, "") }
        let model = try Self.model(file, pieces, family, names, config)
        let parts = try ConvertedParts(
            className: className.hasSuffix("Fast") ? String(className.dropLast(4)) : className, file, config)
        let added = try Self.added(file, family, names, config)
        try self.init(
            normalizer: parts.normalizer, preTokenizer: parts.preTokenizer, model: model,
            postProcessor: try Self.template(family, names, added, model, config), decoder: parts.decoder, added: added)
    }

    private static func model(
        _ file: SentencePieceFile, _ pieces: SentencePieces, _ family: ConvertedFamily, _ names: [String: String],
        _ config: Settings
    ) throws(Failure) -> any Model {
        if family.usesMerges {
            // Llama's class has no unknown token in its model: what is neither known nor a byte vanishes.
            let unknown = family.names["mask_token"] == nil ? nil : names["unk_token"]
            return BPE(merging: pieces.vocabulary, unknownToken: unknown)
        }
        var entries: [(token: [UInt8], score: Double)] = []
        var rest = file.pieces[...]
        if case .fairseq(let first, let dropped, _) = family.layout {
            rest = rest.dropFirst(dropped)
            for name in first {
                entries.append((Array((names[name] ?? name).utf8), name == "<unk>NOTUSED" ? -100 : 0))
            }
        }
        for piece in rest { entries.append((piece.text, Double(piece.score))) }
        switch family.layout {
        case .same: break
        case .fairseq(_, _, let languages):
            for name in languages + [names["mask_token"] ?? "<mask>"] { entries.append((Array(name.utf8), 0)) }
        case .extraIDs:
            for name in try extraIDs(config).reversed() { entries.append((Array(name.utf8), 0)) }
        }
        var unknown = family.unknownID ?? file.unknownID
        if family.unknownID == nil, family.names["unk_token"] == "[UNK]", let name = names["unk_token"] {
            let bytes = Array(name.utf8)
            if let place = entries.firstIndex(where: { $0.token == bytes && $0.score == 0 }) {
                unknown = Int32(truncatingIfNeeded: place)
            }
        }
        guard unknown >= 0, Int(unknown) < entries.count else {
            throw Failure(
                .corrupt, "\(file.name): has \(entries.count) pieces, none of which is the unknown one, \(unknown)")
        }
        return Unigram(entries, unknown: unknown, hasByteFallback: false)
    }

    private static func extraIDs(_ config: Settings) throws(Failure) -> [String] {
        let count = try config.count("extra_ids", default: 100)
        guard count <= 1 << 20 else { throw config.expected("at most \(1 << 20)", "extra_ids") }
        return (0..<count).map { "<extra_id_\($0)>" }
    }

    /// The tokens that are found in texts before anything else: those that the settings list, the special ones, the
    /// control and user-defined pieces.
    private static func added(
        _ file: SentencePieceFile, _ family: ConvertedFamily, _ names: [String: String], _ config: Settings
    ) throws(Failure) -> [AddedTokens.Token] {
        let listed = try AddedTokens.Token.listed(in: config)
        var added = listed
        for key in ConvertedFamily.keys {
            guard let name = names[key] else { continue }
            var token = listed.first { $0.content == name } ?? AddedTokens.Token(special: name)
            token.special = true
            if !listed.contains(where: { $0.content == name }) {
                if let value = config.value(key), value.object != nil {
                    token = try AddedTokens.Token(try Settings(value, path: config.path(key)))
                    token.special = true
                    token.normalized = value["normalized"]?.bool ?? false
                } else if key == "mask_token" {
                    // A piece of the file for it takes precedence over what the class says.
                    token.stripLeft =
                        family.maskStripsLeft && !file.pieces.contains { $0.text.elementsEqual(name.utf8) }
                }
            }
            added.append(token)
        }
        var known = Set(added.map(\.content))
        func add(_ token: AddedTokens.Token) {
            if known.insert(token.content).inserted { added.append(token) }
        }
        for piece in file.pieces where piece.kind == .control || piece.kind == .userDefined {
            var token = AddedTokens.Token(special: String(decoding: piece.text, as: UTF8.self))
            token.special = piece.kind == .control
            add(token)
        }
        switch family.layout {
        case .same: break
        case .fairseq(_, _, let languages): for name in languages { add(AddedTokens.Token(special: name)) }
        case .extraIDs: for name in try extraIDs(config) { add(AddedTokens.Token(special: name)) }
        }
        return added
    }

    private static func template(
        _ family: ConvertedFamily, _ names: [String: String], _ added: [AddedTokens.Token], _ model: any Model,
        _ config: Settings
    ) throws(Failure) -> TemplateProcessing {
        let known = try AddedTokens(added, model: model, normalizer: nil)
        func id(_ key: String) throws(Failure) -> Int32 {
            let name = key == "src_lang" ? try config.string("src_lang", default: "en_XX") : names[key] ?? ""
            let bytes = Array(name.utf8)
            guard let id = known.id(of: bytes) ?? bytes.withUnsafeBufferPointer({ model.id(of: $0) }) else {
                throw config.expected("a token of the vocabulary instead of \(name.quoted)", key)
            }
            return id
        }
        let addsBOS = try config.bool("add_bos_token", default: false)
        let addsEOS = try config.bool("add_eos_token", default: false)
        // ALBERT's class sets its template before these two are looked at, the others after.
        let saysEnds = config.has("add_bos_token") || config.has("add_eos_token")
        guard let template = family.template,
            !(saysEnds && family.names["cls_token"] == "[CLS]" && family.unknownID == 1)
        else {
            return TemplateProcessing(
                prefix: addsBOS && names["bos_token"] != nil ? [try id("bos_token")] : [],
                suffix: addsEOS && names["eos_token"] != nil ? [try id("eos_token")] : [], typeOfSecond: 1)
        }
        func parts(_ list: [ConvertedFamily.Part]) throws(Failure) -> [TemplateProcessing.Part] {
            var parts: [TemplateProcessing.Part] = []
            for part in list {
                let typeID = Int32(truncatingIfNeeded: part.typeID)
                switch part.key {
                case "A": parts.append(.text(0, typeID: typeID))
                case "B": parts.append(.text(1, typeID: typeID))
                default: parts.append(.special([try id(part.key)], typeID: typeID))
                }
            }
            return parts
        }
        return TemplateProcessing(single: try parts(template.single), pair: try parts(template.pair))
    }
}

/// The stages around the model that transformers' tokenizer classes put together.
private struct ConvertedParts {
    var normalizer: (any Normalizer)?
    var preTokenizer: (any PreTokenizer)?
    var decoder: any Decoder

    init(className: String, _ file: SentencePieceFile, _ config: Settings) throws(Failure) {
        func settings(_ json: JSON) throws(Failure) -> Settings { try Settings(json, path: "\(className):") }
        func replace(_ old: String, _ new: String) throws(Failure) -> any Normalizer {
            try Normalizers.read(
                try settings(["type": "Replace", "pattern": ["String": .string(old)], "content": .string(new)]))
        }
        let prefixSpace = try config.bool("add_prefix_space", default: true)
        func metaspace(_ scheme: String, cuts: Bool = true) -> JSON {
            ["type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": .string(scheme), "split": .bool(cuts)]
        }
        var normalizers: [any Normalizer] = []
        switch className {
        case "LlamaTokenizer", "GemmaTokenizer":
            let isLlama = className == "LlamaTokenizer"
            var decoders: [JSON] = [
                ["type": "Replace", "pattern": ["String": "\u{2581}"], "content": " "], ["type": "ByteFallback"],
                ["type": "Fuse"],
            ]
            if isLlama {
                let isLegacy = try config.bool("legacy", default: false)
                let scheme = !prefixSpace ? "never" : isLegacy ? "always" : "first"
                preTokenizer = try PreTokenizers.read(try settings(metaspace(scheme, cuts: false)))
                if prefixSpace { decoders.append(["type": "Strip", "content": " ", "start": 1, "stop": 0]) }
            } else {
                normalizers.append(try replace(" ", "\u{2581}"))
                preTokenizer = try PreTokenizers.read(
                    try settings(["type": "Split", "pattern": ["String": " "], "behavior": "MergedWithPrevious"]))
            }
            decoder = try Decoders.read(try settings(["type": "Sequence", "decoders": .array(decoders)]))
        default:
            let isDeberta = className == "DebertaV2Tokenizer"
            if className == "AlbertTokenizer" || className == "XLNetTokenizer" {
                normalizers += [try replace("``", "\""), try replace("''", "\"")]
                let keepsAccents = try config.bool("keep_accents", default: false)
                if className == "XLNetTokenizer" || !keepsAccents {
                    normalizers += [UnicodeNormalizer(compatible: true, composed: false), StripAccentsNormalizer()]
                }
            }
            if try config.bool("do_lower_case", default: className == "AlbertTokenizer"),
                isDeberta || !normalizers.isEmpty
            {
                normalizers.append(LowercaseNormalizer())
            }
            if isDeberta {
                normalizers += [
                    try Normalizers.read(
                        try settings(
                            ["type": "Replace", "pattern": ["Regex": "\\s{2,}|[\\n\\r\\t]"], "content": " "])),
                    UnicodeNormalizer(compatible: false, composed: true), StripNormalizer(left: false, right: true),
                ]
            } else if className != "MBartTokenizer", !file.normalization.charsmap.isEmpty {
                let path = "\(file.name): normalizer_spec precompiled_charsmap"
                normalizers.append(PrecompiledNormalizer(try CharacterMap(file.normalization.charsmap, path: path)))
            }
            let always = prefixSpace || className == "T5Tokenizer" || className == "XLNetTokenizer"
            let scheme = always || className == "MBartTokenizer" ? "always" : isDeberta ? "first" : "never"
            var cutters: [any PreTokenizer] = []
            if isDeberta {
                if try config.bool("split_by_punct", default: false) {
                    cutters.append(PunctuationPreTokenizer(behavior: .isolated))
                }
            } else {
                cutters.append(WhitespaceSplitPreTokenizer())
            }
            cutters.append(try PreTokenizers.read(try settings(metaspace(scheme))))
            preTokenizer = PreTokenizerSequence(parts: cutters)
            decoder = try Decoders.read(try settings(metaspace(scheme)))
        }
        normalizer = normalizers.isEmpty ? nil : NormalizerSequence(parts: normalizers)
    }
}
